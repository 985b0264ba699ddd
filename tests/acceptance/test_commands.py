"""What people type: the README's commands, the walkthrough, `objstore inspect` and `check`."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
COMMAND_SECONDS_MAX = 110
LARGE = bytes(range(256)) * 1000


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS_MAX,
        check=False,
        **options,
    )


def objstore(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "-m", "objstore", *arguments])


def commands_of_readme() -> list[str]:
    """The lines of the README's `Use it` block, without comments."""
    text = (ROOT / "README.md").read_text()
    section = text.partition("## Use it")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    lines = [line.partition("  #")[0].rstrip() for line in block[1].splitlines()]
    return [line for line in lines if line]


def test_the_commands_of_the_readme(serve: Callable[..., Any], tmp_path: Path) -> None:
    server = serve("--dev")
    lines = commands_of_readme()
    assert lines[0].startswith(".venv/bin/objstore serve --dev")
    assert any("aws kms disable-key" in line for line in lines)
    program = shlex.quote(str(Path(sys.executable).with_name("objstore")))
    script = ["set -eu", f'aws() {{ {shlex.quote(sys.executable)} -m awscli "$@"; }}']
    for line in lines[1:]:
        command = line.replace(".venv/bin/objstore", program)
        command = command.replace("env --dev", f"env --dev --endpoint {server.endpoint}")
        command = re.sub(
            r"(objstore'? (?:inspect|check).*)", rf"\1 --data '{server.data}'", command
        )
        script.append(command)
    # Once the key is disabled, the download is the one command that has to fail.
    download = max(number for number, line in enumerate(script) if "aws s3 cp s3://" in line)
    script[download] = f"! {script[download]}"
    assert "disable-key" in script[download - 1]
    environment = {
        **os.environ,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_PAGER": "",
    }
    done = run(["bash", "-c", "\n".join(script)], env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "KMS.DisabledException" in done.stderr
    assert "checked rows=" in done.stdout


def test_the_walkthrough(serve: Callable[..., Any]) -> None:
    server = serve("--dev", "--log-level", "warning")
    story = str(ROOT / "scripts" / "walkthrough.py")
    command = [sys.executable, story, "--endpoint", server.endpoint, "--data", str(server.data)]
    done = run(command)
    assert done.returncode == 0, done.stdout + done.stderr
    (blob,) = server.blob_files()
    assert blob.name in done.stdout
    assert done.stdout.endswith("Every step checked out.\n")


@pytest.fixture(scope="module")
def filled(serve_for_module: Callable[..., Any]) -> Any:
    server = serve_for_module("--dev")
    s3 = server.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="small", Body=b"canary" * 10)
    s3.put_object(Bucket="bucket", Key="large", Body=LARGE, ServerSideEncryption="aws:kms")
    return server


def test_inspect_shows_what_lies_on_disk(filled: Any) -> None:
    target = ("s3://bucket/large", "--data", str(filled.data))
    done = objstore("inspect", *target)
    assert done.returncode == 0, done.stdout + done.stderr
    (blob,) = filled.blob_files()
    assert blob.name in done.stdout
    assert "arn:aws:kms:us-east-1:123456789012:key/" in done.stdout
    assert "arn:aws:s3:::bucket/large" in done.stdout
    small = objstore("inspect", "s3://bucket/small", "--data", str(filled.data))
    assert small.returncode == 0
    assert "canary" not in small.stdout
    missing = objstore("inspect", "s3://bucket/none", "--data", str(filled.data))
    assert missing.returncode == 1


def test_check_finds_what_is_wrong(filled: Any) -> None:
    data = ("--data", str(filled.data))
    clean = objstore("check", *data)
    assert (clean.returncode, clean.stdout.count("\n")) == (0, 1), clean.stdout
    (blob,) = filled.blob_files()
    sealed = blob.read_bytes()
    changed = bytearray(sealed)
    changed[-1] ^= 1
    for damaged in (changed, sealed[:-1], None):
        if damaged is None:
            blob.unlink()
        else:
            blob.write_bytes(damaged)
        found = objstore("check", *data)
        assert (found.returncode, found.stdout.count("\n")) == (1, 2), found.stdout
        blob.write_bytes(sealed)
    assert objstore("check", *data).stdout == clean.stdout
    filled.stop()
    stray = blob.with_name("0" * 32)
    stray.write_bytes(b"stray")
    found = objstore("check", *data)
    assert (found.returncode, stray.name in found.stdout) == (1, True), found.stdout
