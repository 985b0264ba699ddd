"""The aws CLI's commands on encryption in AWS's user guide; only names, keys and files differ.

Each row is a page of the Amazon S3 User Guide, a command of it, and what its answer must say. The
rows of a list follow each other: later ones read what earlier ones wrote.
"""

import base64
import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BUCKET = "encryption-examples"
CONTENT = b"what the customer wrote\n"
LARGE = os.urandom(1 << 20) * 9
CONTEXT = base64.b64encode(b'{"department": "10103.0"}').decode()
KMS = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "KEY"}
DSSE = {**KMS, "ServerSideEncryption": "aws:kms:dsse"}
SSE_C = {"SSECustomerAlgorithm": "AES256"}
CUSTOMER = "--sse-customer-algorithm AES256 --sse-customer-key fileb://CUSTOMER"

Row = tuple[str, str, dict[str, Any]]


def default(algorithm: str = "", *, bucket_key: bool = False, blocked: str = "SSE-C") -> str:
    """The command that sets a bucket's default encryption."""
    rule: dict[str, Any] = {"BlockedEncryptionTypes": {"EncryptionType": [blocked]}}
    if algorithm:
        by_default = {"SSEAlgorithm": algorithm, "KMSMasterKeyID": "KEY"}
        rule["ApplyServerSideEncryptionByDefault"] = by_default
        rule["BucketKeyEnabled"] = bucket_key
    return (
        "s3api put-bucket-encryption --bucket BUCKET --server-side-encryption-configuration "
        f"'{json.dumps({'Rules': [rule]})}'"
    )


OBJECTS: list[Row] = [
    (
        "specifying-kms-encryption",
        "s3api put-object --bucket BUCKET --key example-object-key --body FILE "
        "--server-side-encryption aws:kms --ssekms-key-id KEY "
        f"--ssekms-encryption-context {CONTEXT}",
        KMS,
    ),
    ("specifying-kms-encryption", "s3api get-object --bucket BUCKET --key example-object-key BACK",
     KMS),
    (
        "specifying-kms-encryption",
        "s3api copy-object --copy-source BUCKET/example-object-key --bucket BUCKET "
        "--key copied-key --server-side-encryption aws:kms --ssekms-key-id KEY",
        KMS,
    ),
    (
        "specifying-kms-encryption",
        "s3api create-multipart-upload --bucket BUCKET --key in-parts "
        "--server-side-encryption aws:kms --ssekms-key-id KEY",
        KMS,
    ),
    ("specifying-kms-encryption",
     "s3 cp LARGE s3://BUCKET/large --sse aws:kms --sse-kms-key-id KEY", {}),
    ("specifying-kms-encryption", "s3api head-object --bucket BUCKET --key large", KMS),
    ("specifying-s3-encryption", "s3 cp s3://BUCKET/large s3://BUCKET/large --sse", {}),
    ("specifying-s3-encryption", "s3api head-object --bucket BUCKET --key large",
     {"ServerSideEncryption": "AES256"}),
    (
        "specifying-s3-encryption",
        "s3api put-object --bucket BUCKET --key plain --server-side-encryption AES256 --body FILE",
        {"ServerSideEncryption": "AES256"},
    ),
    (
        "configuring-bucket-key-object",
        "s3api put-object --bucket BUCKET --key bucket-key --server-side-encryption aws:kms "
        "--bucket-key-enabled --body FILE",
        {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": True},
    ),
    ("viewing-bucket-key-settings", "s3api head-object --bucket BUCKET --key bucket-key",
     {"BucketKeyEnabled": True}),
    (
        "specifying-dsse-encryption",
        "s3api put-object --bucket BUCKET --key dsse --server-side-encryption aws:kms:dsse "
        "--ssekms-key-id KEY --body FILE",
        DSSE,
    ),
    ("specifying-dsse-encryption", "s3api get-object --bucket BUCKET --key dsse BACK", DSSE),
    (
        "specifying-dsse-encryption",
        "s3api copy-object --copy-source BUCKET/plain --bucket BUCKET --key dsse-copy "
        "--server-side-encryption aws:kms:dsse --ssekms-key-id KEY",
        DSSE,
    ),
    (
        "update-sse-encryption",
        "s3api update-object-encryption --bucket BUCKET --key plain --object-encryption "
        """'{"SSEKMS": {"KMSKeyArn": "KEY", "BucketKeyEnabled": true}}'""",
        {},
    ),
    ("update-sse-encryption", "s3api get-object --bucket BUCKET --key plain BACK",
     {**KMS, "BucketKeyEnabled": True}),
]  # fmt: skip
DEFAULTS: list[Row] = [
    (
        "configuring-bucket-key",
        default("aws:kms", bucket_key=True),
        {},
    ),
    ("default-bucket-encryption", "s3api put-object --bucket BUCKET --key default --body FILE",
     {**KMS, "BucketKeyEnabled": True}),
    ("viewing-bucket-key-settings", "s3api get-bucket-encryption --bucket BUCKET",
     {"ServerSideEncryptionConfiguration": {"Rules": [{
         "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "KEY"},
         "BucketKeyEnabled": True,
         "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
     }]}}),
    ("specifying-dsse-encryption", default("aws:kms:dsse"), {}),
    ("default-bucket-encryption", "s3api put-object --bucket BUCKET --key default --body FILE",
     DSSE),
    ("default-bucket-encryption", "s3api delete-bucket-encryption --bucket BUCKET", {}),
    ("default-bucket-encryption", "s3api put-object --bucket BUCKET --key default --body FILE",
     {"ServerSideEncryption": "AES256"}),
]  # fmt: skip
CUSTOMERS: list[Row] = [
    (
        "blocking-unblocking-s3-c-encryption-gpb",
        default(blocked="NONE"),
        {},
    ),
    (
        "specifying-s3-c-encryption",
        f"s3api put-object --bucket BUCKET --key own --body FILE {CUSTOMER}",
        SSE_C,
    ),
    (
        "specifying-s3-c-encryption",
        f"s3api get-object --bucket BUCKET --key own {CUSTOMER} BACK",
        SSE_C,
    ),
    (
        "specifying-s3-c-encryption",
        "s3 cp LARGE s3://BUCKET/own-large --sse-c AES256 --sse-c-key fileb://CUSTOMER",
        {},
    ),
    (
        "specifying-s3-c-encryption",
        "s3 cp s3://BUCKET/own-large s3://BUCKET/rekeyed --sse-c-copy-source AES256 "
        "--sse-c-copy-source-key fileb://CUSTOMER --sse aws:kms --sse-kms-key-id KEY",
        {},
    ),
    ("specifying-s3-c-encryption", "s3api head-object --bucket BUCKET --key rekeyed", KMS),
    (
        "blocking-unblocking-s3-c-encryption-gpb",
        default(),
        {},
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def names(server: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the placeholders of the commands stand for."""
    server.client("s3").create_bucket(Bucket=BUCKET)
    folder = tmp_path_factory.mktemp("examples")
    (folder / "file").write_bytes(CONTENT)
    (folder / "large").write_bytes(LARGE)
    (folder / "customer").write_bytes(os.urandom(32))
    files = {name.upper(): str(folder / name) for name in ("file", "large", "customer", "back")}
    key = server.client("kms").create_key()["KeyMetadata"]["Arn"]
    return {"BUCKET": BUCKET, "KEY": key, **files}


def filled(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return text


@pytest.mark.parametrize("rows", [OBJECTS, DEFAULTS, CUSTOMERS], ids=["objects", "defaults", "own"])
def test_the_commands_of_the_guide(
    server: Any, aws: Callable[..., str], names: dict[str, str], rows: list[Row]
) -> None:
    back = Path(names["BACK"])
    for page, command, expected in rows:
        back.unlink(missing_ok=True)
        shown = aws(server, *shlex.split(filled(command, names)), "--output", "json")
        answer = json.loads(shown) if expected else {}
        wanted = json.loads(filled(json.dumps(expected), names))
        assert wanted.items() <= answer.items(), (page, command, shown)
        if command.endswith("BACK"):
            assert back.read_bytes() == CONTENT, command


def test_a_blocked_type_is_refused(
    server: Any, aws: Callable[..., str], names: dict[str, str]
) -> None:
    """New buckets block customers' keys, and so does the guide's last command."""
    server.client("s3").create_bucket(Bucket="encryption-blocked")
    command = f"s3api put-object --bucket encryption-blocked --key own --body FILE {CUSTOMER}"
    text = aws(server, *shlex.split(filled(command, names)), fails=True)
    assert "AccessDenied" in text
    assert "blocked upload requests" in text
