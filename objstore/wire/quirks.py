"""Where S3 differs from its model: the one table of exceptions.

Root elements and statuses that botocore does not look at, so its model does not give them; the
operations that the model lacks; limits of bodies; the wording of errors about single arguments.

Source: the response syntax sections of
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from collections.abc import Mapping
from typing import Any

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
XSI_NAMESPACE = "http://www.w3.org/2001/XMLSchema-instance"

# Names of operations that the model does not have.
FORM_UPLOAD = "PostObject"
PREFLIGHT = "PreflightObject"

# Operations of other endpoints (directory buckets, Object Lambda) that share a URI with ours.
UNROUTED = frozenset({"ListDirectoryBuckets", "WriteGetObjectResponse"})

# Members that the front door has dealt with before an operation runs.
CONSUMED = frozenset({"Bucket", "ExpectedBucketOwner", "RequestPayer", "ContentLength"})
SDK_CHECKSUM_HEADER = "x-amz-sdk-checksum-algorithm"
CHECKSUM_PREFIX = "x-amz-checksum-"
TRAILER_HEADER = "x-amz-trailer"
DOCUMENT_CONSUMED = frozenset({"ContentMD5"})

# Operations whose documents S3 takes without a checksum although the model wants SDKs to send one.
CHECKSUM_OPTIONAL = frozenset(
    {
        "PutBucketAcl",
        "PutBucketEncryption",
        "PutBucketLogging",
        "PutBucketOwnershipControls",
        "PutBucketPolicy",
        "PutBucketRequestPayment",
        "PutBucketVersioning",
        "PutBucketWebsite",
        "PutObjectAcl",
        "PutObjectTagging",
        "PutPublicAccessBlock",
    }
)

# The bucket's name is an argument only here: it does not exist yet.
TAKES_BUCKET = frozenset({"CreateBucket"})

# Enumerations whose wrong values have an error code that only the operation knows.
OPEN_ENUMS = frozenset(
    {
        "BucketAccelerateStatus",
        "BucketLocationConstraint",
        "BucketLogsPermission",
        "FilterRuleName",
        "Permission",
        "Protocol",
    }
)

# Elements that the model wants and S3 does not.
OPTIONAL_ELEMENTS: Mapping[str, frozenset[str]] = {"Tagging": frozenset({"TagSet"})}

# Operations whose documents may have elements that nobody knows.
OPEN_DOCUMENTS = frozenset({"CompleteMultipartUpload", "DeleteObjects"})

BODY_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX_OF: Mapping[str, int] = {
    "DeleteObjects": 2 * 1024 * 1024,
    "CompleteMultipartUpload": 1024 * 1024,
    "PutBucketLifecycleConfiguration": 512 * 1024,
}
LIST_ITEMS_MAX = 10_000
LIST_ITEMS_MAX_OF: Mapping[str, int] = {"DeleteObjects": 1_000}

# Enumerations of headers whose wrong values have an error that only the operation knows.
OPEN_HEADERS = frozenset(
    {
        "x-amz-checksum-algorithm",
        "x-amz-object-lock-mode",
        "x-amz-storage-class",
        "x-amz-transition-default-minimum-object-size",
    }
)

# What S3 says about a value that is not in the enumeration: code and message by wire name, the
# message with `{}` where it repeats the value.
ENUM_ERRORS: Mapping[str, tuple[str, str]] = {
    "encoding-type": ("InvalidArgument", "Invalid Encoding Method specified in Request"),
    "x-amz-acl": ("InvalidArgument", ""),
    "x-amz-metadata-directive": ("InvalidArgument", "Unknown metadata directive."),
    "x-amz-object-attributes": ("InvalidArgument", "Invalid attribute name specified."),
    "x-amz-object-lock-legal-hold": (
        "InvalidArgument",
        "Legal Hold must be either of 'ON' or 'OFF'",
    ),
    "x-amz-object-ownership": ("InvalidArgument", "Invalid x-amz-object-ownership header: {}"),
    "x-amz-server-side-encryption": (
        "InvalidArgument",
        "The encryption method specified is not supported",
    ),
    "x-amz-tagging-directive": ("InvalidArgument", "Unknown tagging directive."),
}
INTEGER_MESSAGES: Mapping[str, str] = {
    "partNumber": "Part number must be an integer between 1 and 10000, inclusive",
}

# Enumerations that S3 reads in any case: the C++ SDK sends `x-amz-checksum-mode: enabled`.
CASELESS = frozenset({"x-amz-checksum-mode"})

# Headers and parameters whose empty value is a wrong value and not an absent one.
NEVER_EMPTY = frozenset({"encoding-type", "x-amz-object-ownership", "x-amz-server-side-encryption"})

# Headers that an operation must not have: only writes choose an encryption.
_ENCRYPTION = frozenset(
    {
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-context",
        "x-amz-server-side-encryption-bucket-key-enabled",
    }
)
REFUSED_HEADERS: Mapping[str, frozenset[str]] = {
    "GetObject": _ENCRYPTION,
    "HeadObject": _ENCRYPTION,
    "UploadPart": _ENCRYPTION,
    "UploadPartCopy": _ENCRYPTION,
}

# Headers that the model does not have, by operation: the member that they become, and the member
# of the model that is of their kind. S3 takes If-Range, with which browsers resume downloads.
_IF_RANGE = {"IfRange": ("If-Range", "IfMatch")}
EXTRA_MEMBERS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "GetObject": _IF_RANGE,
    "HeadObject": _IF_RANGE,
}

# Members of replies that the model does not have, by operation, and their headers.
_CONTEXT = {"SSEKMSEncryptionContext": "x-amz-server-side-encryption-context"}
_REGION = {"Region": "x-amz-bucket-region"}
EXTRA_HEADERS: Mapping[str, Mapping[str, str]] = {
    "GetObject": _CONTEXT,
    "HeadObject": _CONTEXT,
    "ListObjects": _REGION,
    "ListObjectsV2": _REGION,
}

# Structures whose faults have errors that only the operation knows: nothing in them is required,
# values that cannot be converted stay text, and unknown elements are there by their names.
LENIENT_SHAPES = frozenset({"ObjectEncryption", "SSEKMSEncryption"})

# Conditional dates that cannot be read do not count (RFC 9110, section 13.1.3).
LENIENT_DATES = frozenset(
    {
        "if-modified-since",
        "if-unmodified-since",
        "x-amz-copy-source-if-modified-since",
        "x-amz-copy-source-if-unmodified-since",
    }
)

# Root elements of documents that are not one member of the output; else the output shape's name.
ROOTS: Mapping[str, str] = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CreateSession": "CreateSessionResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLocation": "LocationConstraint",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotification": "NotificationConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurationResult",
    "ListBucketInventoryConfigurations": "ListInventoryConfigurationsResult",
    "ListBucketMetricsConfigurations": "ListMetricsConfigurationsResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectAnnotations": "ListObjectAnnotationsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
    "PutObjectAnnotation": "PutObjectAnnotationResult",
}

# Elements that S3 writes before all others, in this order.
_PAGE = ("MaxKeys", "Delimiter", "EncodingType", "IsTruncated")
FIRST_ELEMENTS: Mapping[str, tuple[str, ...]] = {
    "ListBuckets": ("Owner",),
    "ListObjects": ("Name", "Prefix", "Marker", "NextMarker", *_PAGE),
    "ListObjectsV2": (
        "Name",
        "Prefix",
        "StartAfter",
        "ContinuationToken",
        "NextContinuationToken",
        "KeyCount",
        *_PAGE,
    ),
    "ListObjectVersions": (
        "Name",
        "Prefix",
        "KeyMarker",
        "VersionIdMarker",
        "NextKeyMarker",
        "NextVersionIdMarker",
        *_PAGE,
    ),
}

# Lists whose elements stand in one order in the document; the reply has it under `Rows`.
INTERLEAVED: Mapping[str, tuple[str, ...]] = {"ListObjectVersions": ("Versions", "DeleteMarkers")}

# The document is the root element with the member's text in it.
TEXT_DOCUMENTS: Mapping[str, str] = {"GetBucketLocation": "LocationConstraint"}

# Payloads that are text and not XML, with their type.
TEXT_PAYLOAD_TYPE = "application/json"

STATUSES: Mapping[str, int] = {
    "PutBucketAnalyticsConfiguration": 204,
    "PutBucketIntelligentTieringConfiguration": 204,
    "PutBucketInventoryConfiguration": 204,
    "PutBucketMetricsConfiguration": 204,
    "PutBucketPolicy": 204,
    "PutBucketTagging": 204,
}

# Operations that may report an error inside a 200: they start to answer before they finish.
EMBEDDING = frozenset({"CompleteMultipartUpload", "CopyObject", "UploadPartCopy"})


def status_of(operation: str, modelled: int, reply: Mapping[str, Any]) -> int:
    """The HTTP status of a successful reply: its own, 206 for a part of an object, the model's."""
    own: int | None = reply.get("StatusCode")
    if own is not None:
        return own
    if reply.get("ContentRange") is not None:
        return 206
    return STATUSES.get(operation, modelled)
