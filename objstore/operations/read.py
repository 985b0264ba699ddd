"""GetObject and HeadObject.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

import re
from dataclasses import dataclass
from datetime import datetime

from kms.aws.errors import AWSError
from kms.aws.identity import PrincipalKind
from objstore.call import Call, Reply
from objstore.crypt.customer_keys import NO_CUSTOMER_KEY, CustomerKeyHeaders
from objstore.crypt.manifest import Manifest, Mode, decode, open_manifest_checksums
from objstore.crypt.sse import context_header, describe
from objstore.errors import S3Error
from objstore.names import whole_second
from objstore.storage.records import BlobMissingError, StoredObject
from objstore.transfer import archive, attributes, content, lifetime, steps, versions
from objstore.transfer.conditions import NO_READ_CONDITIONS, ReadConditions, check_read
from objstore.transfer.integrity import shown
from objstore.transfer.publish import COMPOSITE
from objstore.transfer.ranges import Span, is_of, parse_range, part_span
from objstore.transfer.send import Body, send
from objstore.transfer.source import find, open_key

ENABLED = "ENABLED"


@dataclass(frozen=True, slots=True)
class Overrides:
    """Headers that the reply is to carry instead of the stored ones."""

    response_cache_control: str | None = None
    response_content_disposition: str | None = None
    response_content_encoding: str | None = None
    response_content_language: str | None = None
    response_content_type: str | None = None
    response_expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which version is read, and what of it."""

    version_id: str | None = None
    range: str | None = None
    if_range: str | None = None
    part_number: int | None = None
    checksum_mode: str | None = None


NO_OVERRIDES = Overrides()
EVERYTHING = Selection()


async def get_object(
    call: Call,
    *,
    key: str,
    selection: Selection = EVERYTHING,
    conditions: ReadConditions = NO_READ_CONDITIONS,
    overrides: Overrides = NO_OVERRIDES,
    customer: CustomerKeyHeaders = NO_CUSTOMER_KEY,
) -> Reply:
    try:
        return await _get(call, key, selection, conditions, overrides, customer)
    except BlobMissingError:
        # The object was replaced between its row's and its blob's reading; look again, once.
        return await _get(call, key, selection, conditions, overrides, customer)


async def _get(
    call: Call,
    key: str,
    selection: Selection,
    conditions: ReadConditions,
    overrides: Overrides,
    customer: CustomerKeyHeaders,
) -> Reply:
    stored = find(call, call.bucket, key, selection.version_id)
    check_read(conditions, stored, call.services.clock)
    archive.check_readable(stored, attributes.now_ms(call))
    manifest = decode(stored.manifest)
    span = _span(selection, manifest)
    start, stop = span or (0, stored.size)
    steps.found(call.trace, call.bucket, manifest, stored)
    data_key = open_key(call, call.bucket, stored, manifest, customer)
    try:
        # Only now is the manifest known to be the one that was written.
        reply = _described(call, key, stored, manifest, selection, overrides, span)
        reply.update(describe(manifest, customer))
        if selection.checksum_mode == ENABLED:
            _add_checksum(reply, data_key, manifest, selection)
        body: Body = await send(
            call.services.store,
            data_key,
            stored=stored,
            manifest=manifest,
            start=start,
            stop=stop,
        )
        steps.decrypted(call.trace, start=start, stop=stop)
    finally:
        steps.wipe_opened(call.trace, data_key)
    reply["Body"] = body
    return reply


async def head_object(
    call: Call,
    *,
    key: str,
    selection: Selection = EVERYTHING,
    conditions: ReadConditions = NO_READ_CONDITIONS,
    overrides: Overrides = NO_OVERRIDES,
    customer: CustomerKeyHeaders = NO_CUSTOMER_KEY,
) -> Reply:
    """Needs no data key, so no permission on its KMS key either, but for the checksum.

    Checksums are sealed; without the permission the reply leaves them out, as S3 does. The
    customer's key, on the other hand, is always asked for.
    """
    stored = find(call, call.bucket, key, selection.version_id, inline=False, method="HEAD")
    check_read(conditions, stored, call.services.clock)
    manifest = decode(stored.manifest)
    reply = _described(
        call, key, stored, manifest, selection, overrides, _span(selection, manifest)
    )
    reply.update(describe(manifest, customer))
    customers = manifest.mode is Mode.SSE_C or not customer.absent
    if selection.checksum_mode == ENABLED or customers:
        try:
            data_key = open_key(call, call.bucket, stored, manifest, customer)
        except AWSError:
            if customers:
                raise
            return reply
        try:
            if selection.checksum_mode == ENABLED:
                _add_checksum(reply, data_key, manifest, selection)
        finally:
            steps.wipe_opened(call.trace, data_key)
    return reply


def _span(selection: Selection, manifest: Manifest) -> Span | None:
    """The part of the object that is asked for; None for all of it."""
    if selection.part_number is not None:
        if selection.range is not None:
            raise S3Error(
                "InvalidRequest", "Cannot specify both Range header and partNumber query parameter"
            )
        return part_span(selection.part_number, [part.length for part in manifest.parts])
    if selection.range is None:
        return None
    asked = selection.if_range
    if asked is not None and not is_of(asked, manifest.etag, manifest.created_ms):
        return None
    return parse_range(selection.range, manifest.size)


def _described(
    call: Call,
    key: str,
    stored: StoredObject,
    manifest: Manifest,
    selection: Selection,
    overrides: Overrides,
    span: Span | None,
) -> Reply:
    """Everything of a reply but its body and checksums."""
    start, stop = span or (0, stored.size)
    reply: Reply = {
        "AcceptRanges": "bytes",
        "LastModified": whole_second(stored.modified_ms),
        "ContentLength": stop - start,
        "ETag": f'"{stored.etag}"',
        "VersionId": versions.shown(call.bucket, stored.version_id),
        "Metadata": manifest.metadata,
        "StorageClass": content.shown_storage_class(stored.storage_class),
        **content.describe(manifest.content),
    }
    if span is not None and start < stop:
        reply["ContentRange"] = f"bytes {start}-{stop - 1}/{stored.size}"
    if selection.part_number is not None and "-" in stored.etag:
        reply["PartsCount"] = len(manifest.parts)
    if len(manifest.context) > 1:
        reply["SSEKMSEncryptionContext"] = context_header(manifest)
    if selection.version_id is None and lifetime.SETTING in call.bucket.settings:
        reply.update(lifetime.expires(call, stored))
    if stored.attributes:
        reply.update(attributes.describe(call, key, selection.version_id, stored))
    if overrides is not NO_OVERRIDES:
        _override(call, reply, overrides)
    return reply


def _override(call: Call, reply: Reply, overrides: Overrides) -> None:
    values = {
        "CacheControl": overrides.response_cache_control,
        "ContentDisposition": overrides.response_content_disposition,
        "ContentEncoding": overrides.response_content_encoding,
        "ContentLanguage": overrides.response_content_language,
        "ContentType": overrides.response_content_type,
    }
    named = {member: value for member, value in values.items() if value is not None}
    if overrides.response_expires is not None:
        named["Expires"] = overrides.response_expires.strftime("%a, %d %b %Y %H:%M:%S GMT")
    if named and call.caller.principal.kind is PrincipalKind.ANONYMOUS:
        raise S3Error(
            "InvalidRequest",
            "Request specific response headers cannot be used for anonymous GET requests.",
        )
    for member, value in named.items():
        if not value.isascii():
            _check_latin(member, value)
    reply.update(named)


def _check_latin(member: str, value: str) -> None:
    """Return for what a header can carry. Raises InvalidArgument."""
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        words = re.sub(r"(?<!^)(?=[A-Z])", "-", member).lower()
        raise S3Error(
            "InvalidArgument",
            "Header value cannot be represented using ISO-8859-1.",
            ArgumentName=f"response-{words}",
            ArgumentValue=value,
        ) from None


def _add_checksum(
    reply: Reply, data_key: bytearray, manifest: Manifest, selection: Selection
) -> None:
    """Add the checksum of what the reply holds: the object's, or one part's if each has its own.

    A range has none, unless it is of everything.
    """
    sums = open_manifest_checksums(data_key, manifest)
    if selection.part_number is not None and manifest.checksum_type == COMPOSITE:
        number = manifest.parts[selection.part_number - 1].number
        value = sums.get(str(number))
        reply.update(shown(manifest.checksum_algorithm, value, manifest.checksum_type))
    elif reply["ContentLength"] == manifest.size:
        algorithm = manifest.checksum_algorithm
        reply.update(shown(algorithm, sums.get(algorithm), manifest.checksum_type))
