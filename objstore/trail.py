"""What the audit trail tells of S3: calls on buckets always, calls on objects if that is wanted.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kms.aws import arn
from kms.aws.audit import AuditSink, new_event_id
from kms.aws.clock import Clock
from kms.aws.errors import AWSError
from kms.aws.identity import Caller
from kms.aws.model import load
from kms.aws.policy import Decision
from objstore.exchange import Headers, Request
from objstore.storage.records import Bucket
from objstore.wire.values import xform

SOURCE = "s3.amazonaws.com"
DATA_EVENTS = frozenset(
    {
        "AbortMultipartUpload",
        "CompleteMultipartUpload",
        "CopyObject",
        "CreateMultipartUpload",
        "DeleteObject",
        "DeleteObjectTagging",
        "DeleteObjects",
        "GetObject",
        "GetObjectAcl",
        "GetObjectAttributes",
        "GetObjectLegalHold",
        "GetObjectRetention",
        "GetObjectTagging",
        "GetObjectTorrent",
        "HeadBucket",
        "HeadObject",
        "ListMultipartUploads",
        "ListObjectVersions",
        "ListObjects",
        "ListObjectsV2",
        "ListParts",
        "PostObject",
        "PutObject",
        "PutObjectAcl",
        "PutObjectLegalHold",
        "PutObjectRetention",
        "PutObjectTagging",
        "RenameObject",
        "RestoreObject",
        "SelectObjectContent",
        "UpdateObjectEncryption",
        "UploadPart",
        "UploadPartCopy",
    }
)
"""The operations on objects, and on a bucket as a list of objects."""
READING = ("Get", "Head", "List", "Select")

# Events whose name is not the operation's.
_NAMES = {
    "DeletePublicAccessBlock": "DeleteBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketLifecycleConfiguration": "GetBucketLifecycle",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetObjectLegalHold": "GetObjectLockLegalHold",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetObjectRetention": "GetObjectLockRetention",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "ListObjectsV2": "ListObjects",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "PutBucketLifecycleConfiguration": "PutBucketLifecycle",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutObjectLegalHold": "PutObjectLockLegalHold",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutObjectRetention": "PutObjectLockRetention",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
# Headers to show: none of a customer's key, and no token.
_HEADERS = (
    "x-amz-acl",
    "x-amz-bucket-object-lock-enabled",
    "x-amz-bypass-governance-retention",
    "x-amz-copy-source",
    "x-amz-expected-bucket-owner",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-ownership",
    "x-amz-request-payer",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
)
# Parameters of a signature, and names that would pass for what a request is about.
_UNSHOWN = frozenset({"awsaccesskeyid", "bucketname", "expires", "host", "key", "signature"})
_AMZ = "x-amz-"
_SSE = b"x-amz-server-side-encryption"
_SSE_C = b"x-amz-server-side-encryption-customer-algorithm"
_APPLIED = {b"AES256": "SSE_S3", b"aws:kms": "SSE_KMS", b"aws:kms:dsse": "DSSE_KMS"}


@dataclass(slots=True)
class Noted:
    """What is known of a request that the trail will tell of; filled in as it goes on.

    `decided` is about the permission `action`, which was asked for last.
    """

    caller: Caller
    bucket_name: str
    key: str
    query: Mapping[str, str]
    bucket: Bucket | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    action: str = ""
    decided: Decision | None = None


class Trail:
    """Tells `audit` of requests; `data_events` says whether also of those about objects."""

    def __init__(self, audit: AuditSink, clock: Clock, *, data_events: bool = False) -> None:
        self._audit = audit
        self._clock = clock
        self._quiet = frozenset() if data_events else DATA_EVENTS
        model = load("s3")
        self._payloads: Mapping[str, str] = {
            name: payload
            for name, operation in model.operations.items()
            if operation.input is not None and (payload := model.shape(operation.input).payload)
        }

    def wants(self, operation: str) -> bool:
        """Whether requests of `operation` are told of."""
        return operation not in self._quiet

    def tell(self, request: Request, answered: Headers, error: AWSError | None = None) -> None:
        """Tell of a request that was answered with these headers, or refused with `error`."""
        noted: Noted | None = request.noted
        if noted is None:
            return
        operation, bucket = request.operation, noted.bucket
        caller = noted.caller
        self._audit.record(
            {
                "eventSource": SOURCE,
                "eventName": _NAMES.get(operation, operation),
                "eventTime": self._clock.now(),
                "eventID": new_event_id(),
                "caller": caller,
                "region": bucket.region if bucket is not None else caller.region,
                "readOnly": operation.startswith(READING),
                "requestParameters": self._parameters(request, noted),
                "additional": _additional(request, noted, answered),
                "resources": _resources(noted),
                "owner": bucket.account if bucket is not None else caller.account,
                "errorCode": "" if error is None else error.code,
                "errorMessage": "" if error is None else error.message,
                "action": noted.action,
                "decided": noted.decided,
                "category": "Data" if operation in DATA_EVENTS else "Management",
            }
        )

    def _parameters(self, request: Request, noted: Noted) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        if noted.bucket_name:
            shown["bucketName"] = noted.bucket_name
        if noted.key:
            shown["key"] = noted.key
        shown["Host"] = request.headers.get("host", "")
        for name, value in noted.query.items():
            lowered = name.lower()
            if lowered not in _UNSHOWN and not lowered.startswith(_AMZ):
                shown[name] = value
        for name in _HEADERS:
            if name in request.headers:
                shown[name] = request.headers[name]
        payload = self._payloads.get(request.operation)
        if payload is not None:
            document = noted.arguments.get(xform(payload))
            if isinstance(document, Mapping):
                shown[payload] = _plain(document)
            elif isinstance(document, str):
                shown["bucketPolicy" if payload == "Policy" else payload] = _parsed(document)
        return shown


def _resources(noted: Noted) -> tuple[str, ...]:
    if not noted.bucket_name:
        return ()
    bucket = arn.s3_bucket(noted.bucket_name)
    return (arn.s3_object(noted.bucket_name, noted.key), bucket) if noted.key else (bucket,)


def _additional(request: Request, noted: Noted, answered: Headers) -> dict[str, Any]:
    additional: dict[str, Any] = {}
    if noted.caller.access_key_id:
        in_header = "authorization" in request.headers
        additional["SignatureVersion"] = "SigV4" if noted.caller.region else "SigV2"
        additional["AuthenticationMethod"] = "AuthHeader" if in_header else "QueryString"
    additional["bytesTransferredIn"] = request.received_bytes
    additional["x-amz-id-2"] = request.host_id
    applied = _applied(request, dict(answered))
    if applied:
        additional["SSEApplied"] = applied
    return additional


def _applied(request: Request, answered: Mapping[bytes, bytes]) -> str:
    """How the object of an answer is encrypted, and whether nobody had asked for it."""
    if _SSE_C in answered:
        return "SSE_C"
    applied = _APPLIED.get(answered.get(_SSE, b""), "")
    unasked = not request.operation.startswith(READING) and _SSE.decode() not in request.headers
    return f"Default_{applied}" if applied and unasked else applied


def _plain(value: Any) -> Any:
    """A bound document as JSON has it."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
