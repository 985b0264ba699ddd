"""The choice of an object's encryption, and what replies say about it."""

import base64
import hashlib
import json
from typing import Any

import pytest

from kms.aws.identity import Caller, Principal, PrincipalKind
from objstore.crypt import sse
from objstore.crypt.customer_keys import CustomerKeyHeaders
from objstore.crypt.manifest import BUCKET_KEY, Mode
from objstore.crypt.sse import Choice, EncryptionHeaders
from objstore.errors import S3Error
from objstore.storage.records import Bucket

KEY_ID = "11111111-2222-3333-4444-555555555555"
OWN_ARN = "arn:aws:s3:::photos/a/b"


def bucket(default: dict[str, str] | None = None, *, bucket_key: bool = False) -> Bucket:
    rule = {
        "ApplyServerSideEncryptionByDefault": default,
        "BucketKeyEnabled": bucket_key,
        "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]},
    }
    settings = {} if default is None else {"encryption": {"Rules": [rule]}}
    return Bucket("photos", bytes(16), "123456789012", "eu-west-1", 0, settings)


def header(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


class Sealed:
    """A described thing."""

    def __init__(
        self, mode: Mode, context: dict[str, str], kms_key_arn: str = "", flags: int = 0
    ) -> None:
        self.mode = mode
        self.context = context
        self.kms_key_arn = kms_key_arn
        self.flags = flags


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


DSSE_DEFAULT = {"SSEAlgorithm": "aws:kms:dsse", "KMSMasterKeyID": "alias/own"}


@pytest.mark.parametrize(
    ("headers", "default", "bucket_key", "expected"),
    [
        ({}, KMS_DEFAULT, True, Choice(Mode.SSE_KMS, "alias/own", bucket_key=True)),
        ({"bucket_key_enabled": False}, KMS_DEFAULT, True, Choice(Mode.SSE_KMS, "alias/own")),
        (
            {"bucket_key_enabled": True},
            KMS_DEFAULT,
            False,
            Choice(Mode.SSE_KMS, "alias/own", bucket_key=True),
        ),
        (
            {"server_side_encryption": "aws:kms", "ssekms_key_id": KEY_ID},
            {"SSEAlgorithm": "AES256"},
            True,
            Choice(Mode.SSE_KMS, KEY_ID, bucket_key=True),
        ),
        ({}, DSSE_DEFAULT, True, Choice(Mode.DSSE_KMS, "alias/own")),
        ({"server_side_encryption": "AES256"}, KMS_DEFAULT, True, Choice(Mode.SSE_S3)),
        ({}, {"SSEAlgorithm": "AES256"}, True, Choice(Mode.SSE_S3)),
        (
            {"server_side_encryption": "aws:kms:dsse"},
            KMS_DEFAULT,
            True,
            Choice(Mode.DSSE_KMS, "alias/aws/s3"),
        ),
    ],
)
def test_bucket_keys_by_header_and_by_bucket(
    headers: dict[str, Any], default: dict[str, str], bucket_key: bool, expected: Choice
) -> None:
    found = sse.choose(EncryptionHeaders(**headers), bucket(default, bucket_key=bucket_key))
    assert found == expected


CUSTOMER: dict[str, Any] = {
    "sse_customer_algorithm": "AES256",
    "sse_customer_key": base64.b64encode(b"k" * 32).decode(),
    "sse_customer_key_md5": base64.b64encode(hashlib.md5(b"k" * 32).digest()).decode(),
}


def test_a_customers_key() -> None:
    choice = sse.choose(EncryptionHeaders(**CUSTOMER), bucket(KMS_DEFAULT))
    assert choice == Choice(Mode.SSE_C, customer=CustomerKeyHeaders(**CUSTOMER))


KEY_NEEDS_KMS = (
    "Server Side Encryption with AWS KMS managed key requires HTTP header "
    "x-amz-server-side-encryption : aws:kms"
)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"ssekms_key_id": KEY_ID}, KEY_NEEDS_KMS),
        ({"ssekms_key_id": KEY_ID, "server_side_encryption": "AES256"}, KEY_NEEDS_KMS),
        ({"ssekms_encryption_context": header("{}")}, KEY_NEEDS_KMS),
        (
            {"server_side_encryption": "aes256"},
            "The encryption method specified is not supported",
        ),
        (
            {"server_side_encryption": "aws:fsx"},
            "The encryption method specified is not supported",
        ),
        (
            {"server_side_encryption": "AES256", **CUSTOMER},
            "Server Side Encryption with Customer provided key is incompatible with the "
            "encryption method specified",
        ),
        (
            {"server_side_encryption": "aws:kms:dsse", "bucket_key_enabled": True},
            "S3 Bucket Keys are not supported for dual-layer server-side encryption",
        ),
    ],
)
def test_refusals(headers: dict[str, Any], message: str) -> None:
    with pytest.raises(S3Error) as caught:
        sse.choose(EncryptionHeaders(**headers), bucket())
    assert (caught.value.code, caught.value.message) == ("InvalidArgument", message)


def test_new_buckets_block_customers_keys() -> None:
    user = Principal(
        PrincipalKind.USER, "123456789012", "arn:aws:iam::123456789012:user/ann", "AIDA", "ann"
    )
    caller = Caller(user, "AKIA", "eu-west-1", "request")
    for mode in Mode:
        sse.check_not_blocked(
            mode, bucket(KMS_DEFAULT), caller=caller, operation="PutObject", key="a/b"
        )
    sse.check_not_blocked(Mode.SSE_S3, bucket(), caller=caller, operation="PutObject", key="a/b")
    with pytest.raises(S3Error) as caught:
        sse.check_not_blocked(Mode.SSE_C, bucket(), caller=caller, operation="PutObject", key="a/b")
    assert (caught.value.code, caught.value.message) == (
        "AccessDenied",
        "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: s3:PutObject on "
        'resource: "arn:aws:s3:::photos/a/b" because this bucket has blocked upload requests that '
        "specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a "
        "different server-side encryption type",
    )


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


def test_the_buckets_arn_is_the_context_of_bucket_keys() -> None:
    choice = Choice(Mode.SSE_KMS, KEY_ID, {"team": "x"}, bucket_key=True)
    expected = {"team": "x", "aws:s3:arn": "arn:aws:s3:::photos"}
    assert sse.context_for(choice, bucket=bucket(), key="a/b") == expected


@pytest.mark.parametrize(
    "context",
    [
        {"aws:s3:arn": "arn:aws:s3:::photos/other"},
        {"AWS:S3:ARN": "arn:aws:s3:::photos/other"},
        {"aws:s3:Arn": OWN_ARN},
        {"aws:s3:arn": OWN_ARN, "Aws:s3:arn": OWN_ARN},
    ],
)
def test_the_arn_of_another_object_is_refused(context: dict[str, str]) -> None:
    """However its name is spelt, since conditions of key policies read it in any case."""
    choice = Choice(Mode.SSE_KMS, KEY_ID, context)
    with pytest.raises(S3Error, match="aws:s3:arn") as caught:
        sse.context_for(choice, bucket=bucket(), key="a/b")
    assert caught.value.code == "InvalidArgument"


def test_descriptions() -> None:
    assert sse.describe(Sealed(Mode.SSE_S3, {})) == {"ServerSideEncryption": "AES256"}
    assert sse.describe(Sealed(Mode.SSE_KMS, {}, "arn:key")) == {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "arn:key",
    }
    assert sse.describe(Sealed(Mode.SSE_KMS, {}, "arn:key", BUCKET_KEY)) == {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "arn:key",
        "BucketKeyEnabled": True,
    }
    assert sse.describe(Sealed(Mode.DSSE_KMS, {}, "arn:key")) == {
        "ServerSideEncryption": "aws:kms:dsse",
        "SSEKMSKeyId": "arn:key",
    }
    assert sse.describe(Sealed(Mode.SSE_C, {}), CustomerKeyHeaders(**CUSTOMER)) == {
        "SSECustomerAlgorithm": "AES256",
        "SSECustomerKeyMD5": CUSTOMER["sse_customer_key_md5"],
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
