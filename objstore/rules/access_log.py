"""One line of a server access log, and the key of the object that holds lines.

Signatures, tokens and customers' keys in a logged address are blanked: whoever reads logs must not
be able to ask in another's name, nor to open what a customer's key protects.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

UNIQUE_BYTES = 8
NONE = "-"

# What AWS calls the resource of an operation, where it is not the operation's own name.
_RESOURCES: Mapping[str, str] = {
    "AbortMultipartUpload": "UPLOAD",
    "CompleteMultipartUpload": "UPLOAD",
    "CreateBucket": "BUCKET",
    "CreateMultipartUpload": "UPLOADS",
    "DeleteBucket": "BUCKET",
    "DeleteObject": "OBJECT",
    "DeleteObjects": "MULTI_OBJECT_DELETE",
    "GetBucketAccelerateConfiguration": "ACCELERATE",
    "GetBucketAcl": "ACL",
    "GetBucketLifecycleConfiguration": "LIFECYCLE",
    "GetBucketLocation": "LOCATION",
    "GetBucketLogging": "LOGGING_STATUS",
    "GetBucketNotificationConfiguration": "NOTIFICATION",
    "GetBucketPolicy": "BUCKETPOLICY",
    "GetObject": "OBJECT",
    "GetObjectAcl": "ACL",
    "HeadBucket": "BUCKET",
    "HeadObject": "OBJECT",
    "ListMultipartUploads": "UPLOADS",
    "ListObjectVersions": "BUCKETVERSIONS",
    "ListObjects": "BUCKET",
    "ListObjectsV2": "BUCKET",
    "ListParts": "UPLOAD",
    "PostObject": "OBJECT",
    "PreflightObject": "PREFLIGHT",
    "PutBucketAccelerateConfiguration": "ACCELERATE",
    "PutBucketAcl": "ACL",
    "PutBucketLifecycleConfiguration": "LIFECYCLE",
    "PutBucketLogging": "LOGGING_STATUS",
    "PutBucketNotificationConfiguration": "NOTIFICATION",
    "PutBucketPolicy": "BUCKETPOLICY",
    "DeleteBucketPolicy": "BUCKETPOLICY",
    "PutObject": "OBJECT",
    "PutObjectAcl": "ACL",
    "UploadPart": "PART",
}
_WHOLE: Mapping[str, str] = {
    "CopyObject": "REST.COPY.OBJECT",
    "UploadPartCopy": "REST.COPY.PART",
    "WebsiteGetObject": "WEBSITE.GET.OBJECT",
    "WebsiteHeadObject": "WEBSITE.HEAD.OBJECT",
}
_VERB = re.compile("^(Get|Put|Delete|List|Create|Update)(Bucket)?")
_WORD = re.compile("(?<=[a-z0-9])(?=[A-Z])")
_BLANKED = "REDACTED"
# Parameters with a secret for a value, in lower case.
_SECRETS = frozenset(
    {
        "signature",
        "x-amz-signature",
        "x-amz-security-token",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-copy-source-server-side-encryption-customer-key",
    }
)
_UNSAFE = re.compile(r'[\x00-\x20"\x7f-\U0010ffff]')


@dataclass(frozen=True, slots=True)
class Visited:
    """Everything that a line tells of one request; "" and None where there is nothing to tell."""

    owner: str
    bucket: str
    at: datetime
    source_ip: str
    requester: str
    request_id: str
    operation: str
    method: str
    key: str
    target: str
    status: int
    error_code: str
    sent: int
    object_size: int | None
    milliseconds: int
    referer: str
    user_agent: str
    version_id: str
    host_id: str
    authentication: str
    host: str
    tls: str
    region: str


def line(seen: Visited) -> str:
    """The line of a request, without its line break."""
    asked = f"{seen.method} {_blanked(seen.target)} HTTP/1.1"
    fields = (
        seen.owner,
        seen.bucket,
        f"[{seen.at:%d/%b/%Y:%H:%M:%S} +0000]",
        seen.source_ip or NONE,
        seen.requester or NONE,
        seen.request_id,
        operation(seen.operation, seen.method),
        quote(seen.key, safe="/-._~") or NONE,
        f'"{_quoted(asked, blanks=" ")}"',
        str(seen.status),
        seen.error_code or NONE,
        str(seen.sent or NONE),
        NONE if seen.object_size is None else str(seen.object_size),
        str(seen.milliseconds),
        str(seen.milliseconds),
        f'"{_quoted(seen.referer) or NONE}"',
        f'"{_quoted(seen.user_agent, blanks=" ") or NONE}"',
        _quoted(seen.version_id) or NONE,
        seen.host_id,
        "SigV4" if seen.authentication else NONE,
        NONE,
        seen.authentication or NONE,
        _quoted(seen.host) or NONE,
        f"TLSv{seen.tls}" if seen.tls else NONE,
        NONE,
        NONE,
        seen.region,
    )
    return " ".join(fields)


def operation(name: str, method: str) -> str:
    """An operation as logs name it: `REST.GET.OBJECT`."""
    whole = _WHOLE.get(name)
    if whole is not None:
        return whole
    resource = _RESOURCES.get(name)
    if resource is None:
        bare = _VERB.sub("", name).removesuffix("Configurations").removesuffix("Configuration")
        resource = _WORD.sub("_", bare).upper()
    return f"REST.{method}.{resource}"


def object_key(
    document: Mapping[str, Any], *, account: str, region: str, bucket: str, at: datetime
) -> str:
    """A new key for lines of `bucket`, by the `LoggingEnabled` of its configuration.

    `at` is when the lines are delivered, or the day that they are about.
    """
    prefix: str = document["TargetPrefix"]
    unique = secrets.token_hex(UNIQUE_BYTES).upper()
    name = f"{at:%Y-%m-%d-%H-%M-%S}-{unique}"
    if "PartitionedPrefix" not in document.get("TargetObjectKeyFormat", ()):
        return prefix + name
    return f"{prefix}{account}/{region}/{bucket}/{at:%Y/%m/%d}/{name}"


def by_event_time(document: Mapping[str, Any]) -> bool:
    """Whether lines of different days go to different objects."""
    partitioned = document.get("TargetObjectKeyFormat", {}).get("PartitionedPrefix") or {}
    return bool(partitioned.get("PartitionDateSource") == "EventTime")


def _blanked(target: str) -> str:
    """A request's address with nothing in place of its secrets, however their names are written."""
    path, asks, query = target.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")]
    kept = [
        name + equals + (_BLANKED if unquote(name).lower() in _SECRETS else value)
        for name, equals, value in pairs
    ]
    return path + asks + "&".join(kept)


def _quoted(text: str, *, blanks: str = "") -> str:
    """Text that can end neither its field nor its line."""

    def escaped(found: re.Match[str]) -> str:
        mark = found[0]
        return mark if mark in blanks else quote(mark.encode("latin-1", "replace"))

    return _UNSAFE.sub(escaped, text)
