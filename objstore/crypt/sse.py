"""Which encryption a new object gets, from the request's headers and the bucket's default.

Pure: decides and describes; asks no KMS and makes no key.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-kms-encryption.html
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol

from kms.aws import arn
from kms.aws.identity import Caller
from kms.aws.values import value_class
from objstore.crypt import customer_keys
from objstore.crypt.customer_keys import NO_CUSTOMER_KEY, CustomerKeyHeaders
from objstore.crypt.manifest import BUCKET_KEY, Mode
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

# What a bucket is configured with on servers whose new buckets accept SSE-C.
ACCEPTING_SSE_C: Mapping[str, Any] = {
    "Rules": [
        {
            **DEFAULT_ENCRYPTION["Rules"][0],
            "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]},
        }
    ]
}

_SSE_HEADER = "x-amz-server-side-encryption"
_BUCKET_KEY_HEADER = "x-amz-server-side-encryption-bucket-key-enabled"
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
_CUSTOMER_AND_SERVER = (
    "Server Side Encryption with Customer provided key is incompatible with the encryption method "
    "specified"
)
_UNSUPPORTED = "The encryption method specified is not supported"
_NO_BUCKET_KEY = "S3 Bucket Keys are not supported for dual-layer server-side encryption"
_KMS_MODES = {AWS_KMS: Mode.SSE_KMS, AWS_KMS_DSSE: Mode.DSSE_KMS}
_ALGORITHMS = {mode: algorithm for algorithm, mode in _KMS_MODES.items()}


@value_class(frozen=True, slots=True)
class EncryptionHeaders:
    """The encryption members that PutObject, CopyObject and CreateMultipartUpload share."""

    server_side_encryption: str | None = None
    ssekms_key_id: str | None = None
    ssekms_encryption_context: str | None = field(default=None, repr=False)
    bucket_key_enabled: bool | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key: str | None = field(default=None, repr=False)
    sse_customer_key_md5: str | None = None

    @property
    def customer(self) -> CustomerKeyHeaders:
        return CustomerKeyHeaders(
            self.sse_customer_algorithm, self.sse_customer_key, self.sse_customer_key_md5
        )


NO_ENCRYPTION_HEADERS = EncryptionHeaders()


@value_class(frozen=True, slots=True)
class Choice:
    """What to ask for a data key. `key_id` is as the client wrote it ("" without KMS).

    `context` is the client's own; an ARN is added by `context_for`. `customer` is for SSE-C.
    """

    mode: Mode
    key_id: str = ""
    context: Mapping[str, str] = field(default_factory=dict)
    bucket_key: bool = False
    customer: CustomerKeyHeaders = NO_CUSTOMER_KEY


class Described(Protocol):
    """A manifest, an upload's recipe or an envelope: whatever says how it is encrypted."""

    @property
    def mode(self) -> Mode: ...
    @property
    def kms_key_arn(self) -> str: ...
    @property
    def context(self) -> Mapping[str, str]: ...
    @property
    def flags(self) -> int: ...


_SSE_S3 = Choice(Mode.SSE_S3)


def choose(headers: EncryptionHeaders, bucket: Bucket) -> Choice:
    """The request's encryption, else the bucket's, else SSE-S3.

    Raises InvalidArgument, InvalidEncryptionAlgorithmError.
    """
    if headers is NO_ENCRYPTION_HEADERS:
        return _bucket_default(bucket, None)
    algorithm = headers.server_side_encryption
    customer = headers.customer
    if not customer.absent:
        return _customers(algorithm, customer)
    if algorithm not in (None, AES256, AWS_KMS, AWS_KMS_DSSE):
        raise S3Error(
            "InvalidArgument", _UNSUPPORTED, ArgumentName=_SSE_HEADER, ArgumentValue=algorithm or ""
        )
    mode = _KMS_MODES.get(algorithm or "")
    if mode is None:
        if headers.ssekms_key_id is not None or headers.ssekms_encryption_context is not None:
            raise S3Error("InvalidArgument", _KEY_WITHOUT_KMS, ArgumentName=_SSE_HEADER)
        if algorithm is None:
            return _bucket_default(bucket, headers.bucket_key_enabled)
        return _SSE_S3
    if mode is Mode.DSSE_KMS and headers.bucket_key_enabled:
        raise S3Error("InvalidArgument", _NO_BUCKET_KEY, ArgumentName=_BUCKET_KEY_HEADER)
    return Choice(
        mode,
        headers.ssekms_key_id or AWS_MANAGED_KEY,
        parse_context(headers.ssekms_encryption_context),
        _wants_bucket_key(mode, bucket, headers.bucket_key_enabled),
    )


def check_not_blocked(
    mode: Mode, bucket: Bucket, *, caller: Caller, operation: str, key: str
) -> None:
    """Return if the bucket takes objects so encrypted. Raises AccessDenied."""
    if mode is not Mode.SSE_C:
        return
    blocked = _rule(bucket)["BlockedEncryptionTypes"]["EncryptionType"]
    if SSE_C in blocked:
        raise S3Error(
            "AccessDenied",
            f"User: {caller.principal.arn} is not authorized to perform: s3:{operation} on "
            f'resource: "{arn.s3_object(bucket.name, key)}" because this bucket has blocked upload '
            "requests that specify Server Side Encryption with Customer provided keys (SSE-C). "
            "Please specify a different server-side encryption type",
        )


def _customers(algorithm: str | None, customer: CustomerKeyHeaders) -> Choice:
    if algorithm is not None:
        raise S3Error(
            "InvalidArgument",
            _CUSTOMER_AND_SERVER,
            ArgumentName=_SSE_HEADER,
            ArgumentValue=algorithm,
        )
    customer_keys.check(customer)
    return Choice(Mode.SSE_C, customer=customer)


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
    """The whole encryption context of an object: the client's own, and an ARN.

    The ARN is the object's, and the bucket's for a bucket key. Raises InvalidArgument if the
    client named another one, or spelt its name otherwise, which is the same to policies.
    """
    own = arn.s3_bucket(bucket.name) if choice.bucket_key else arn.s3_object(bucket.name, key)
    for name, value in choice.context.items():
        if name.lower() == ARN_CONTEXT_KEY and (name, value) != (ARN_CONTEXT_KEY, own):
            raise S3Error("InvalidArgument", _FOREIGN_ARN, ArgumentName=CONTEXT_HEADER)
    return {**choice.context, ARN_CONTEXT_KEY: own}


def describe(sealed: Described, customer: CustomerKeyHeaders = NO_CUSTOMER_KEY) -> dict[str, Any]:
    """The members that every reply about an encrypted object has.

    `customer` are the headers that opened or made an object with SSE-C.
    """
    mode = sealed.mode
    if mode is Mode.SSE_S3:
        return {"ServerSideEncryption": AES256}
    if mode is Mode.SSE_C:
        return {
            "SSECustomerAlgorithm": customer.sse_customer_algorithm,
            "SSECustomerKeyMD5": customer.sse_customer_key_md5,
        }
    members = {"ServerSideEncryption": _ALGORITHMS[mode], "SSEKMSKeyId": sealed.kms_key_arn}
    # False is not shown: AWS leaves the header out.
    return {**members, "BucketKeyEnabled": True} if sealed.flags & BUCKET_KEY else members


def context_header(sealed: Described) -> str | None:
    """The client's own context as the header it came in (`SSEKMSEncryptionContext`).

    None if the object's ARN is all there is: AWS does not send what the client did not.
    """
    own = {name: value for name, value in sealed.context.items() if name != ARN_CONTEXT_KEY}
    if sealed.mode not in _ALGORITHMS or not own:
        return None
    text = json.dumps(own, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return base64.b64encode(text.encode()).decode()


def _bucket_default(bucket: Bucket, bucket_key: bool | None) -> Choice:
    default = _rule(bucket)["ApplyServerSideEncryptionByDefault"]
    mode = _KMS_MODES.get(default["SSEAlgorithm"])
    if mode is None:
        return _SSE_S3
    return Choice(
        mode,
        default.get("KMSMasterKeyID") or AWS_MANAGED_KEY,
        bucket_key=_wants_bucket_key(mode, bucket, bucket_key),
    )


def _wants_bucket_key(mode: Mode, bucket: Bucket, wanted: bool | None) -> bool:
    """The header's answer, else the bucket's; bucket keys are for one layer of KMS only."""
    if mode is not Mode.SSE_KMS:
        return False
    return bool(_rule(bucket)["BucketKeyEnabled"]) if wanted is None else wanted


def _rule(bucket: Bucket) -> Mapping[str, Any]:
    """The bucket's one rule, in the shape of a ServerSideEncryptionConfiguration."""
    rule: Mapping[str, Any] = bucket.settings.get(SETTING, DEFAULT_ENCRYPTION)["Rules"][0]
    return rule


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
