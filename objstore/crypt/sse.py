"""Which encryption a new object gets, from the request's headers and the bucket's default.

Pure: decides and describes; asks no KMS and makes no key.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-kms-encryption.html
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kms.aws import arn
from objstore.crypt.manifest import Mode
from objstore.errors import S3Error
from objstore.storage.records import Bucket

AES256 = "AES256"
AWS_KMS = "aws:kms"
AWS_KMS_DSSE = "aws:kms:dsse"
AWS_MANAGED_KEY = "alias/aws/s3"
ARN_CONTEXT_KEY = "aws:s3:arn"
CONTEXT_HEADER = "x-amz-server-side-encryption-context"
CONTEXT_HEADER_CHARACTERS_MAX = 8192
SSE_C = "SSE-C"
SETTING = "encryption"  # of Bucket.settings: a ServerSideEncryptionConfiguration of one rule

# What applies to a bucket that was never configured. New buckets block SSE-C since April 2026.
DEFAULT_ENCRYPTION: Mapping[str, Any] = {
    "Rules": [
        {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": AES256},
            "BucketKeyEnabled": False,
            "BlockedEncryptionTypes": {"EncryptionType": [SSE_C]},
        }
    ]
}

_SSE_HEADER = "x-amz-server-side-encryption"
_KEY_WITHOUT_KMS = (
    "Server Side Encryption with AWS KMS managed key requires HTTP header "
    "x-amz-server-side-encryption : aws:kms"
)
_BAD_CONTEXT = (
    f"The header '{CONTEXT_HEADER}' shall be Base64-encoded UTF-8 string holding JSON which "
    "represents a string-string map"
)
_FOREIGN_ARN = (
    "The encryption context key 'aws:s3:arn' must have the ARN of the object as its value"
)


@dataclass(frozen=True, slots=True)
class EncryptionHeaders:
    """The encryption members that PutObject, CopyObject and CreateMultipartUpload share."""

    server_side_encryption: str | None = None
    ssekms_key_id: str | None = None
    ssekms_encryption_context: str | None = field(default=None, repr=False)
    bucket_key_enabled: bool | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key: str | None = field(default=None, repr=False)
    sse_customer_key_md5: str | None = None


NO_ENCRYPTION_HEADERS = EncryptionHeaders()


@dataclass(frozen=True, slots=True)
class Choice:
    """What to ask for a data key. `key_id` is as the client wrote it ("" for SSE-S3).

    `context` is the client's own; the object's ARN is added by `context_for`.
    """

    mode: Mode
    key_id: str = ""
    context: Mapping[str, str] = field(default_factory=dict)


class Described(Protocol):
    """A manifest, an upload's recipe or an envelope: whatever says how it is encrypted."""

    @property
    def mode(self) -> Mode: ...
    @property
    def kms_key_arn(self) -> str: ...
    @property
    def context(self) -> Mapping[str, str]: ...


_SSE_S3 = Choice(Mode.SSE_S3)


def choose(headers: EncryptionHeaders, bucket: Bucket) -> Choice:
    """The request's encryption, else the bucket's, else SSE-S3.

    Raises InvalidArgument, InvalidEncryptionAlgorithmError, or NotImplemented for SSE-C, DSSE
    and bucket keys.
    """
    if headers is NO_ENCRYPTION_HEADERS:
        return _bucket_default(bucket)
    if (
        headers.sse_customer_algorithm is not None
        or headers.sse_customer_key is not None
        or headers.sse_customer_key_md5 is not None
    ):
        raise _not_implemented("x-amz-server-side-encryption-customer-algorithm")
    algorithm = headers.server_side_encryption
    _check_algorithm(algorithm)
    if headers.bucket_key_enabled:
        raise _not_implemented("x-amz-server-side-encryption-bucket-key-enabled")
    if algorithm != AWS_KMS:
        if headers.ssekms_key_id is not None or headers.ssekms_encryption_context is not None:
            raise S3Error("InvalidArgument", _KEY_WITHOUT_KMS, ArgumentName=_SSE_HEADER)
        return _bucket_default(bucket) if algorithm is None else _SSE_S3
    if headers.bucket_key_enabled is None:
        _check_bucket_key(_default_rule(bucket))
    return Choice(
        Mode.SSE_KMS,
        headers.ssekms_key_id or AWS_MANAGED_KEY,
        parse_context(headers.ssekms_encryption_context),
    )


def parse_context(header: str | None) -> dict[str, str]:
    """The map in a context header; empty without one. Raises InvalidArgument."""
    if header is None:
        return {}
    try:
        if len(header) > CONTEXT_HEADER_CHARACTERS_MAX:
            raise ValueError("the header is too long")
        text = base64.b64decode(header, validate=True).decode()
        pairs = json.loads(text, object_pairs_hook=_string_map)
    except (ValueError, RecursionError):
        raise S3Error("InvalidArgument", _BAD_CONTEXT, ArgumentName=CONTEXT_HEADER) from None
    if not isinstance(pairs, dict):
        raise S3Error("InvalidArgument", _BAD_CONTEXT, ArgumentName=CONTEXT_HEADER)
    return pairs


def context_for(choice: Choice, *, bucket: Bucket, key: str) -> dict[str, str]:
    """The whole encryption context of an object: the client's and the object's ARN.

    Raises InvalidArgument if the client named another ARN.
    """
    own = arn.s3_object(bucket.name, key)
    if choice.context.get(ARN_CONTEXT_KEY, own) != own:
        raise S3Error("InvalidArgument", _FOREIGN_ARN, ArgumentName=CONTEXT_HEADER)
    return {**choice.context, ARN_CONTEXT_KEY: own}


def describe(sealed: Described) -> dict[str, Any]:
    """The members that every reply about an encrypted object has."""
    if sealed.mode is Mode.SSE_KMS:
        return {"ServerSideEncryption": AWS_KMS, "SSEKMSKeyId": sealed.kms_key_arn}
    return {"ServerSideEncryption": AES256}


def context_header(sealed: Described) -> str | None:
    """The client's own context as the header it came in (`SSEKMSEncryptionContext`).

    None if the object's ARN is all there is: AWS does not send what the client did not.
    """
    own = {name: value for name, value in sealed.context.items() if name != ARN_CONTEXT_KEY}
    if sealed.mode is not Mode.SSE_KMS or not own:
        return None
    text = json.dumps(own, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return base64.b64encode(text.encode()).decode()


def _bucket_default(bucket: Bucket) -> Choice:
    rule = _default_rule(bucket)
    default = rule.get("ApplyServerSideEncryptionByDefault") or {}
    algorithm = default.get("SSEAlgorithm")
    if algorithm is None or algorithm == AES256:
        return _SSE_S3
    _check_algorithm(algorithm)
    _check_bucket_key(rule)
    return Choice(Mode.SSE_KMS, default.get("KMSMasterKeyID") or AWS_MANAGED_KEY)


def _default_rule(bucket: Bucket) -> Mapping[str, Any]:
    """The bucket's one rule, in the shape of a ServerSideEncryptionConfiguration."""
    rule: Mapping[str, Any] = bucket.settings.get(SETTING, DEFAULT_ENCRYPTION)["Rules"][0]
    return rule


def _check_algorithm(algorithm: str | None) -> None:
    if algorithm == AWS_KMS_DSSE:
        raise _not_implemented(f"{_SSE_HEADER}: {AWS_KMS_DSSE}")
    if algorithm not in (None, AES256, AWS_KMS):
        raise S3Error("InvalidEncryptionAlgorithmError", ArgumentName=_SSE_HEADER)


def _check_bucket_key(rule: Mapping[str, Any]) -> None:
    if rule.get("BucketKeyEnabled"):
        raise _not_implemented("BucketKeyEnabled")


def _string_map(pairs: list[tuple[str, Any]]) -> dict[str, str]:
    """A JSON object of strings; a name given twice or a lone surrogate is an error."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name twice")
    for name, value in values.items():
        if not isinstance(value, str):
            raise ValueError("not a string")
        name.encode()
        value.encode()
    return values


def _not_implemented(what: str) -> S3Error:
    return S3Error(
        "NotImplemented",
        f"A header you provided implies functionality that is not implemented: {what}",
        Header=what.partition(":")[0],
    )
