"""The aws CLI with nothing but AWS_ENDPOINT_URL, credentials and a region."""

import json
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

CLI = Callable[..., str]
LARGE = 9 * 1024**2  # the CLI uploads from 8 MiB on in parts


def keys(server: Any, aws: CLI, bucket: str) -> list[str]:
    listed = aws(server, "s3", "ls", f"s3://{bucket}", "--recursive")
    return [line.split(maxsplit=3)[3] for line in listed.splitlines()]


def test_a_file_goes_up_and_comes_back(server: Any, aws: CLI, tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"small")
    large.write_bytes(bytes(range(256)) * (LARGE // 256))
    aws(server, "s3", "mb", "s3://cli-files")
    assert "cli-files" in aws(server, "s3", "ls")
    for file, more in ((small, ()), (large, ("--sse", "aws:kms"))):
        aws(server, "s3", "cp", str(file), f"s3://cli-files/a/{file.name}", *more)
        back = tmp_path / "back"
        aws(server, "s3", "cp", f"s3://cli-files/a/{file.name}", str(back))
        assert back.read_bytes() == file.read_bytes()
    assert aws(server, "s3", "cp", "s3://cli-files/a/small", "-") == "small"
    assert keys(server, aws, "cli-files") == ["a/large", "a/small"]
    assert "PRE a/" in aws(server, "s3", "ls", "s3://cli-files")
    aws(server, "s3", "mv", "s3://cli-files/a/small", "s3://cli-files/b/moved")
    aws(server, "s3", "cp", "s3://cli-files/a/large", "s3://cli-files/b/copy")
    assert keys(server, aws, "cli-files") == ["a/large", "b/copy", "b/moved"]
    aws(server, "s3", "rm", "s3://cli-files/a/large")
    assert "BucketNotEmpty" in aws(server, "s3", "rb", "s3://cli-files", fails=True)
    aws(server, "s3", "rb", "s3://cli-files", "--force")
    assert "cli-files" not in aws(server, "s3", "ls")


def test_a_folder_is_kept_in_step(server: Any, aws: CLI, tmp_path: Path) -> None:
    folder, back = tmp_path / "folder", tmp_path / "back"
    for name in ("one.txt", "deep/two & three.txt", "deep/er/ü.txt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    aws(server, "s3", "mb", "s3://cli-sync")
    aws(server, "s3", "sync", str(folder), "s3://cli-sync/x", "--sse", "aws:kms")
    assert aws(server, "s3", "sync", str(folder), "s3://cli-sync/x") == ""
    aws(server, "s3", "sync", "s3://cli-sync/x", str(back))
    for path in folder.rglob("*.txt"):
        assert (back / path.relative_to(folder)).read_text() == path.read_text()
    (folder / "one.txt").unlink()
    aws(server, "s3", "sync", str(folder), "s3://cli-sync/x", "--delete")
    assert keys(server, aws, "cli-sync") == ["x/deep/er/ü.txt", "x/deep/two & three.txt"]


def test_a_key_works_from_the_command_line(server: Any, aws: CLI, tmp_path: Path) -> None:
    made = json.loads(aws(server, "kms", "create-key", "--description", "cli"))["KeyMetadata"]
    key = made["KeyId"]
    assert made["KeyState"] == "Enabled"
    secret = b64encode(b"attack at dawn").decode()
    context = ("--encryption-context", "purpose=test")
    sealed = json.loads(
        aws(server, "kms", "encrypt", "--key-id", key, "--plaintext", secret, *context)
    )
    blob = tmp_path / "blob"
    blob.write_bytes(b64decode(sealed["CiphertextBlob"]))
    named = ("--ciphertext-blob", f"fileb://{blob}")
    opened = json.loads(aws(server, "kms", "decrypt", *named, *context))
    assert b64decode(opened["Plaintext"]) in (b"attack at dawn", secret.encode())
    assert opened["KeyId"] == made["Arn"]
    assert "InvalidCiphertextException" in aws(server, "kms", "decrypt", *named, fails=True)
    spec = ("--key-spec", "AES_256")
    data_key = json.loads(aws(server, "kms", "generate-data-key", "--key-id", key, *spec))
    assert len(b64decode(data_key["Plaintext"])) == 32
    blob.write_bytes(b64decode(data_key["CiphertextBlob"]))
    assert json.loads(aws(server, "kms", "decrypt", *named))["Plaintext"] == data_key["Plaintext"]


def test_what_is_not_supported_is_named(server: Any, aws: CLI) -> None:
    server.client("s3").create_bucket(Bucket="cli-unsupported")
    said = aws(server, "s3api", "get-bucket-abac", "--bucket", "cli-unsupported", fails=True)
    assert "NotImplemented" in said
    assert "GetBucketAbac" in said


def test_sts(server: Any, aws: CLI) -> None:
    said = json.loads(aws(server, "sts", "get-caller-identity"))
    assert said["Arn"] == "arn:aws:iam::123456789012:root"


def test_a_presigned_url_is_all_that_a_reader_needs(server: Any, aws: CLI) -> None:
    """Version 1 of the CLI presigns with Signature Version 2 unless it is configured not to."""
    s3 = server.client("s3")
    s3.create_bucket(Bucket="cli-presigned")
    s3.put_object(Bucket="cli-presigned", Key="a b+c", Body=b"shared")
    url = aws(server, "s3", "presign", "s3://cli-presigned/a b+c").strip()
    with urllib.request.urlopen(url) as response:
        assert response.read() == b"shared"
    for changed in (url.replace("a%20b%2Bc", "other"), url + "&acl", url + "&attributes"):
        with pytest.raises(HTTPError):
            urllib.request.urlopen(changed)
    s3.put_object(Bucket="cli-presigned", Key="k", Body=b"x", ServerSideEncryption="aws:kms")
    old = aws(server, "s3", "presign", "s3://cli-presigned/k").strip()
    with pytest.raises(HTTPError) as caught:
        urllib.request.urlopen(old)
    assert b"require AWS Signature Version 4" in caught.value.read()
