"""What describes an object besides its bytes: content headers, user metadata, storage class.

Pure. Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from objstore.crypt.frames import TamperedError
from objstore.errors import S3Error

METADATA_BYTES_MAX = 2048
REDIRECT_CHARACTERS_MAX = 2048
DEFAULT_CONTENT_TYPE = "binary/octet-stream"
STANDARD = "STANDARD"
INSTANT_CLASSES = frozenset(
    {
        STANDARD,
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER_IR",
    }
)
ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})

# Content headers by their wire name, and the model's member that carries each.
MEMBERS = {
    "content-type": "ContentType",
    "cache-control": "CacheControl",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-language": "ContentLanguage",
    "expires": "Expires",
    "x-amz-website-redirect-location": "WebsiteRedirectLocation",
}


@dataclass(frozen=True, slots=True)
class ContentHeaders:
    """What PutObject, CopyObject and CreateMultipartUpload may say about the new object."""

    content_type: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    expires: str | None = None
    website_redirect_location: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    storage_class: str | None = None


NO_CONTENT_HEADERS = ContentHeaders()


def check(headers: ContentHeaders) -> None:
    """Return if an object may be described so.

    Raises InvalidStorageClass, InvalidRedirectLocation or MetadataTooLarge.
    """
    check_storage_class(headers.storage_class)
    check_redirect(headers.website_redirect_location)
    check_metadata(headers.metadata)


def check_redirect(location: str | None) -> None:
    """Return for what a website may send a browser to."""
    if location is None:
        return
    if not location.startswith(("/", "http://", "https://")):
        raise S3Error("InvalidRedirectLocation")
    if len(location) > REDIRECT_CHARACTERS_MAX:
        raise S3Error(
            "InvalidRedirectLocation",
            "The length of website redirect location cannot exceed "
            f"{REDIRECT_CHARACTERS_MAX} characters.",
        )


def check_storage_class(storage_class: str | None) -> None:
    """Return for the classes that objects of general purpose buckets can have."""
    if storage_class is None or storage_class in INSTANT_CLASSES | ARCHIVE_CLASSES:
        return
    raise S3Error("InvalidStorageClass", StorageClassRequested=storage_class)


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Return if names and values together hold at most 2 KiB of UTF-8."""
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > METADATA_BYTES_MAX:
        raise S3Error("MetadataTooLarge", Size=str(size), MaxSizeAllowed=str(METADATA_BYTES_MAX))


def by_wire_name(headers: ContentHeaders) -> dict[str, str]:
    """The content headers as the manifest keeps them. `aws-chunked` is framing, not content."""
    named = {
        "content-type": headers.content_type or DEFAULT_CONTENT_TYPE,
        "cache-control": headers.cache_control,
        "content-disposition": headers.content_disposition,
        "content-encoding": _without_framing(headers.content_encoding),
        "content-language": headers.content_language,
        "expires": headers.expires,
        "x-amz-website-redirect-location": headers.website_redirect_location,
    }
    return {name: value for name, value in named.items() if value}


def describe(content: Mapping[str, str]) -> dict[str, Any]:
    """The members that a reply carries for the manifest's content headers.

    Raises TamperedError for a header that no manifest has.
    """
    try:
        return {MEMBERS[name]: value for name, value in content.items()}
    except KeyError:
        raise TamperedError("manifest") from None


def shown_storage_class(storage_class: str) -> str | None:
    """The class as GET and HEAD show it: S3 leaves STANDARD out."""
    return None if storage_class == STANDARD else storage_class


def _without_framing(encoding: str | None) -> str | None:
    if encoding is None or "aws-chunked" not in encoding.lower():
        return encoding
    kept = [item.strip() for item in encoding.split(",") if item.strip().lower() != "aws-chunked"]
    return ", ".join(kept) or None
