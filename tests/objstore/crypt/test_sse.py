"""The choice of an object's encryption, and what replies say about it."""

import base64
import json
from typing import Any

import pytest

from objstore.crypt import sse
from objstore.crypt.manifest import Mode
from objstore.crypt.sse import Choice, EncryptionHeaders
from objstore.errors import S3Error
from objstore.storage.records import Bucket

KEY_ID = "11111111-2222-3333-4444-555555555555"
OWN_ARN = "arn:aws:s3:::photos/a/b"


def bucket(default: dict[str, str] | None = None, *, bucket_key: bool = False) -> Bucket:
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": bucket_key}
    settings = {} if default is None else {"encryption": {"Rules": [rule]}}
    return Bucket("photos", bytes(16), "123456789012", "eu-west-1", 0, settings)


def header(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


class Sealed:
    """A described thing."""

    def __init__(self, mode: Mode, context: dict[str, str], kms_key_arn: str = "") -> None:
        self.mode = mode
        self.context = context
        self.kms_key_arn = kms_key_arn


KMS_DEFAULT = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/own"}


@pytest.mark.parametrize(
    ("headers", "default", "expected"),
    [
        ({}, None, Choice(Mode.SSE_S3)),
        ({}, {"SSEAlgorithm": "AES256"}, Choice(Mode.SSE_S3)),
        ({}, KMS_DEFAULT, Choice(Mode.SSE_KMS, "alias/own")),
        ({}, {"SSEAlgorithm": "aws:kms"}, Choice(Mode.SSE_KMS, "alias/aws/s3")),
        ({"server_side_encryption": "AES256"}, KMS_DEFAULT, Choice(Mode.SSE_S3)),
        ({"server_side_encryption": "aws:kms"}, None, Choice(Mode.SSE_KMS, "alias/aws/s3")),
        (
            {"server_side_encryption": "aws:kms"},
            KMS_DEFAULT,
            Choice(Mode.SSE_KMS, "alias/aws/s3"),
        ),
        (
            {
                "server_side_encryption": "aws:kms",
                "ssekms_key_id": KEY_ID,
                "ssekms_encryption_context": header('{"team":"ä"}'),
                "bucket_key_enabled": False,
            },
            None,
            Choice(Mode.SSE_KMS, KEY_ID, {"team": "ä"}),
        ),
    ],
)
def test_choices(headers: dict[str, Any], default: dict[str, str] | None, expected: Choice) -> None:
    assert sse.choose(EncryptionHeaders(**headers), bucket(default)) == expected


def test_no_headers_take_the_short_way() -> None:
    assert sse.choose(sse.NO_ENCRYPTION_HEADERS, bucket()) == Choice(Mode.SSE_S3)


KEY_NEEDS_KMS = (
    "Server Side Encryption with AWS KMS managed key requires HTTP header "
    "x-amz-server-side-encryption : aws:kms"
)


@pytest.mark.parametrize(
    ("headers", "code", "message"),
    [
        ({"ssekms_key_id": KEY_ID}, "InvalidArgument", KEY_NEEDS_KMS),
        (
            {"ssekms_key_id": KEY_ID, "server_side_encryption": "AES256"},
            "InvalidArgument",
            KEY_NEEDS_KMS,
        ),
        ({"ssekms_encryption_context": header("{}")}, "InvalidArgument", KEY_NEEDS_KMS),
        (
            {"server_side_encryption": "aes256"},
            "InvalidEncryptionAlgorithmError",
            "The encryption request you specified is not valid. Supported value: AES256.",
        ),
        (
            {"server_side_encryption": ""},
            "InvalidEncryptionAlgorithmError",
            "The encryption request you specified is not valid. Supported value: AES256.",
        ),
        ({"server_side_encryption": "aws:kms:dsse"}, "NotImplemented", "aws:kms:dsse"),
        ({"sse_customer_algorithm": "AES256"}, "NotImplemented", "customer-algorithm"),
        ({"sse_customer_key": "a"}, "NotImplemented", "customer-algorithm"),
        ({"sse_customer_key_md5": "a"}, "NotImplemented", "customer-algorithm"),
        (
            {"server_side_encryption": "aws:kms", "bucket_key_enabled": True},
            "NotImplemented",
            "bucket-key-enabled",
        ),
    ],
)
def test_refusals(headers: dict[str, Any], code: str, message: str) -> None:
    with pytest.raises(S3Error) as caught:
        sse.choose(EncryptionHeaders(**headers), bucket())
    assert caught.value.code == code
    assert message in caught.value.message


@pytest.mark.parametrize("headers", [{}, {"server_side_encryption": "aws:kms"}])
def test_inherited_bucket_keys_are_refused(headers: dict[str, Any]) -> None:
    with pytest.raises(S3Error, match="BucketKeyEnabled"):
        sse.choose(EncryptionHeaders(**headers), bucket(KMS_DEFAULT, bucket_key=True))


def test_a_default_that_is_not_built_is_refused() -> None:
    with pytest.raises(S3Error, match="dsse"):
        sse.choose(EncryptionHeaders(), bucket({"SSEAlgorithm": "aws:kms:dsse"}))


@pytest.mark.parametrize(
    "value",
    [
        "not base64",
        "e30",  # No padding.
        header(b"\xff"),
        header("{"),
        header("[]"),
        header('"text"'),
        header("[" * 6000),
        header('{"a":1}'),
        header('{"a":{"b":"c"}}'),
        header('{"a":null}'),
        header('{"a":"1","a":"2"}'),
        header('{"a":"\\ud800"}'),
        header('{"\\ud800":"a"}'),
        header(json.dumps({"a": "x" * 8192})),
        "é",
    ],
)
def test_bad_contexts(value: str) -> None:
    with pytest.raises(S3Error) as caught:
        sse.parse_context(value)
    assert caught.value.code == "InvalidArgument"
    assert caught.value.message == (
        "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string "
        "holding JSON which represents a string-string map"
    )


def test_contexts() -> None:
    assert sse.parse_context(None) == {}
    assert sse.parse_context(header("{}")) == {}
    assert sse.parse_context(header('{"a":"1","b":""}')) == {"a": "1", "b": ""}


@pytest.mark.parametrize("own", [{}, {"aws:s3:arn": OWN_ARN}, {"team": "x"}])
def test_the_objects_arn_joins_the_context(own: dict[str, str]) -> None:
    choice = Choice(Mode.SSE_KMS, KEY_ID, own)
    expected = {**own, "aws:s3:arn": OWN_ARN}
    assert sse.context_for(choice, bucket=bucket(), key="a/b") == expected


def test_the_arn_of_another_object_is_refused() -> None:
    choice = Choice(Mode.SSE_KMS, KEY_ID, {"aws:s3:arn": "arn:aws:s3:::photos/other"})
    with pytest.raises(S3Error, match="aws:s3:arn") as caught:
        sse.context_for(choice, bucket=bucket(), key="a/b")
    assert caught.value.code == "InvalidArgument"


def test_descriptions() -> None:
    assert sse.describe(Sealed(Mode.SSE_S3, {})) == {"ServerSideEncryption": "AES256"}
    assert sse.describe(Sealed(Mode.SSE_KMS, {}, "arn:key")) == {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "arn:key",
    }


@pytest.mark.parametrize(
    ("mode", "context", "expected"),
    [
        (Mode.SSE_S3, {"aws:s3:arn": OWN_ARN}, None),
        (Mode.SSE_KMS, {"aws:s3:arn": OWN_ARN}, None),
        (Mode.SSE_KMS, {"aws:s3:arn": OWN_ARN, "b": "ä", "a": "1"}, '{"a":"1","b":"ä"}'),
    ],
)
def test_context_headers(mode: Mode, context: dict[str, str], expected: str | None) -> None:
    found = sse.context_header(Sealed(mode, context))
    assert (None if found is None else base64.b64decode(found).decode()) == expected


def test_headers_do_not_show_the_customers_key() -> None:
    assert "secret" not in repr(EncryptionHeaders(sse_customer_key="secret"))
