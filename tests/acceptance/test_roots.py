"""A server's root of trust changes, rotates, and survives being killed while it does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.acceptance

BODY = b"what must stay readable"
PASSPHRASE = "correct horse battery staple"
SECONDS_MAX = 60


def objstore(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "objstore", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".log"
    }


def filled(server: Any) -> str:
    kms, s3 = server.client("kms"), server.client("s3")
    key: str = kms.create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket="roots")
    s3.put_object(
        Bucket="roots", Key="k", Body=BODY, ServerSideEncryption="aws:kms", SSEKMSKeyId=key
    )
    s3.put_object(Bucket="roots", Key="s3", Body=BODY)
    return key


def readable(server: Any) -> bool:
    s3 = server.client("s3")
    return all(s3.get_object(Bucket="roots", Key=key)["Body"].read() == BODY for key in ("k", "s3"))


def stop(server: Any) -> None:
    server.process.terminate()
    server.process.wait(SECONDS_MAX)


def test_from_a_key_file_to_a_passphrase(serve: Callable[..., Any], tmp_path: Path) -> None:
    server = serve("--dev")
    filled(server)
    stop(server)
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE)
    secret.chmod(0o600)
    data = ("--data", str(server.data))
    choice = f"passphrase:{secret}"
    assert objstore("reseal", *data, "--to", choice).returncode == 0
    (server.data / "root.key").unlink()
    before = content_of(server.data)
    wrong = tmp_path / "wrong"
    wrong.write_text(PASSPHRASE + "s")
    wrong.chmod(0o600)
    for root, text in (
        ("key-file", "root of trust is passphrase, not key-file"),
        (f"passphrase:{wrong}", "passphrase is not the one"),
        (f"passphrase:{tmp_path / 'absent'}", "cannot open the passphrase file"),
    ):
        failed = objstore("serve", "--dev", "--port", "0", *data, "--root", root)
        assert failed.returncode == 1
        assert text in failed.stderr
        assert failed.stderr.count("\n") == 1
    assert content_of(server.data) == before
    assert readable(serve("--dev", "--workers", "2", "--root", choice))


def test_a_rotation_that_is_killed_leaves_a_root(serve: Callable[..., Any]) -> None:
    server = serve("--dev")
    filled(server)
    command = [sys.executable, "-m", "objstore", "rotate-root", "--data", str(server.data)]
    for milliseconds in (100, 300, 400, 500, 600, 700):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                process.wait(milliseconds / 1_000)
            except subprocess.TimeoutExpired:
                process.kill()
        assert readable(server)
    rotated = objstore("rotate-root", "--data", str(server.data))
    assert rotated.returncode == 0
    assert readable(server)
    stop(server)
    assert readable(serve("--dev"))
