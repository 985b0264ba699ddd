"""CopyObject: a new object from an existing one, decrypted and sealed again under a new data key.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
"""

from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from objstore.call import Call, Reply
from objstore.checksum import Algorithm, algorithm_named
from objstore.crypt.customer_keys import (
    COPYING,
    NO_COPY_SOURCE_KEY,
    CopySourceKeyHeaders,
    CustomerKeyHeaders,
)
from objstore.crypt.manifest import Mode
from objstore.crypt.sse import (
    ACCEPTING_SSE_C,
    NO_ENCRYPTION_HEADERS,
    SETTING,
    EncryptionHeaders,
    context_header,
    describe,
)
from objstore.errors import S3Error
from objstore.names import instant, key_bytes
from objstore.storage.records import BlobMissingError, StoredObject
from objstore.transfer import content, lifetime, outgoing, steps, tags, versions
from objstore.transfer.attributes import NO_ATTRIBUTE_HEADERS, AttributeHeaders, asked
from objstore.transfer.conditions import (
    NO_COPY_SOURCE_CONDITIONS,
    NO_WRITE_CONDITIONS,
    CopySourceConditions,
    WriteConditions,
    authorize_match,
    check_copy_source,
    write_check,
)
from objstore.transfer.content import NO_CONTENT_HEADERS, STANDARD, ContentHeaders
from objstore.transfer.encryption import choose
from objstore.transfer.integrity import DEFAULT_ALGORITHM, Digests, shown
from objstore.transfer.publish import FULL_OBJECT, Description, publish, publishable, single_part
from objstore.transfer.receive import receive
from objstore.transfer.source import (
    CopySource,
    check_copied_size,
    copy_source,
    open_key,
    plaintext,
)

COPY, REPLACE = "COPY", "REPLACE"
REDIRECT = "x-amz-website-redirect-location"


@dataclass(frozen=True, slots=True)
class Directives:
    """What a copy takes from its source."""

    metadata_directive: str | None = None
    tagging_directive: str | None = None
    checksum_algorithm: str | None = None


TAKE_ALL = Directives()


@dataclass(frozen=True, slots=True)
class SourceNamed:
    """The source and who is expected to own it."""

    copy_source: str = ""
    expected_source_bucket_owner: str | None = None


@dataclass(frozen=True, slots=True)
class KeyedSource:
    """The source and the customer's key that opens it, if it takes one."""

    source: CopySource
    customer: CustomerKeyHeaders


async def copy_object(
    call: Call,
    *,
    key: str,
    named: SourceNamed,
    directives: Directives = TAKE_ALL,
    headers: ContentHeaders = NO_CONTENT_HEADERS,
    encryption: EncryptionHeaders = NO_ENCRYPTION_HEADERS,
    attributes: AttributeHeaders = NO_ATTRIBUTE_HEADERS,
    conditions: WriteConditions = NO_WRITE_CONDITIONS,
    source_conditions: CopySourceConditions = NO_COPY_SOURCE_CONDITIONS,
    source_key: CopySourceKeyHeaders = NO_COPY_SOURCE_KEY,
) -> Reply:
    content.check(headers)
    _check_directives(directives)
    key_bytes(key)
    for last in (False, True):
        source = copy_source(
            call, named.copy_source, expected_owner=named.expected_source_bucket_owner
        )
        check_copied_size(source.stored.size)
        check_copy_source(source_conditions, source.stored, call.services.clock)
        _check_self_copy(call, key, source, directives, headers, encryption)
        named_attributes = _attributes(call, key, source, directives, attributes)
        description = _description(source, directives, headers, named_attributes)
        try:
            keyed = KeyedSource(source, source_key.customer)
            return await _copy(call, key, keyed, directives, description, encryption, conditions)
        except BlobMissingError:
            # The source was replaced while the copy began; look again, once.
            if last:
                raise
    raise AssertionError("the second attempt returns or raises")


async def _copy(
    call: Call,
    key: str,
    keyed: KeyedSource,
    directives: Directives,
    description: Description,
    encryption: EncryptionHeaders,
    conditions: WriteConditions,
) -> Reply:
    services = call.services
    check = write_check(conditions, key)
    authorize_match(call, key, conditions.if_match)
    choice = choose(call, "CopyObject", key, encryption)
    source = keyed.source
    steps.found(call.trace, source.bucket, source.manifest, source.stored)
    source_key = open_key(
        call, source.bucket, source.stored, source.manifest, keyed.customer, COPYING
    )
    try:
        envelope = services.data_keys.generate(call.caller, choice, bucket=call.bucket, key=key)
        try:
            steps.generated(call.trace, envelope)
            if check is not None:
                check(services.store.object(call.bucket.bucket_id, key.encode(), inline=False))
            plain_md5 = envelope.mode is Mode.SSE_S3
            digests = Digests(None, kept=_algorithm(directives, source), want_md5=plain_md5)
            size = source.stored.size
            async with aclosing(
                await plaintext(call, source, source_key, start=0, stop=size)
            ) as body:
                steps.decrypted(call.trace, start=0, stop=size)
                received = await receive(services.store, envelope.key, body, digests=digests)
            steps.encrypted(call.trace, envelope, received)
            new = publishable(
                envelope,
                data_key=envelope.key,
                bucket=call.bucket,
                key=key.encode(),
                created_ms=int(services.clock.now() * 1000),
                description=description,
                stored=single_part(received, plain_md5=plain_md5),
            )
            new = outgoing.bound(call, envelope.key, new)
        finally:
            steps.wipe_envelope(call.trace, envelope)
    finally:
        steps.wipe_opened(call.trace, source_key)
    await publish(call, received, new, check, event="ObjectCreated:Copy")
    return {
        "CopyObjectResult": _result(new, received.checksum),
        "CopySourceVersionId": versions.written(source.stored.version_id),
        "VersionId": versions.shown(call.bucket, new.version_id),
        **lifetime.expires(call, new),
        **describe(envelope, choice.customer),
        "SSEKMSEncryptionContext": context_header(envelope),
    }


def _algorithm(directives: Directives, source: CopySource) -> Algorithm:
    """Of the checksum that the copy keeps: that asked for, or else the source's."""
    named = directives.checksum_algorithm or source.manifest.checksum_algorithm
    return Algorithm(named) if named else DEFAULT_ALGORITHM


def _attributes(
    call: Call, key: str, source: CopySource, directives: Directives, headers: AttributeHeaders
) -> dict[str, Any]:
    """What the copy has besides bytes and metadata. Locks are never taken over, tags mostly are."""
    if directives.tagging_directive == REPLACE:
        return asked(call, key, headers)
    named = asked(call, key, replace(headers, tagging=None))
    kept = source.stored.attributes.get(tags.ATTRIBUTE)
    if kept:
        of_version = "" if source.version_id is None else "Version"
        action = f"s3:GetObject{of_version}Tagging"
        call.authorize(action, source.bucket, source.key, source.version_id)
        call.authorize("s3:PutObjectTagging", call.bucket, key)
        named[tags.ATTRIBUTE] = kept
    return named


def _result(new: StoredObject, checksum: str) -> Reply:
    return {
        "ETag": f'"{new.etag}"',
        "LastModified": instant(new.modified_ms),
        **shown(new.checksum_algorithm, checksum, FULL_OBJECT),
    }


def _check_directives(directives: Directives) -> None:
    if directives.metadata_directive not in (None, COPY, REPLACE):
        raise S3Error(
            "InvalidArgument",
            "Unknown metadata directive.",
            ArgumentName="x-amz-metadata-directive",
            ArgumentValue=directives.metadata_directive,
        )
    if directives.tagging_directive not in (None, COPY, REPLACE):
        raise S3Error(
            "InvalidArgument",
            "Unknown tagging directive.",
            ArgumentName="x-amz-tagging-directive",
            ArgumentValue=directives.tagging_directive,
        )
    if directives.checksum_algorithm is not None:
        algorithm_named(directives.checksum_algorithm)


def _check_self_copy(
    call: Call,
    key: str,
    source: CopySource,
    directives: Directives,
    headers: ContentHeaders,
    encryption: EncryptionHeaders,
) -> None:
    """Refuse a copy onto itself that would change nothing."""
    changed = (
        source.bucket.bucket_id != call.bucket.bucket_id
        or source.key != key
        or _is_older(call, source)
        or directives.metadata_directive == REPLACE
        or headers.storage_class is not None
        or headers.website_redirect_location is not None
        or encryption != NO_ENCRYPTION_HEADERS
        or source.manifest.mode is not Mode.SSE_S3
        or call.bucket.settings.get(SETTING) not in (None, ACCEPTING_SSE_C)
    )
    if not changed:
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself "
            "without changing the object's metadata, storage class, website redirect location or "
            "encryption attributes.",
        )


def _is_older(call: Call, source: CopySource) -> bool:
    """Whether the source is a version that others have come after: copying it restores it."""
    if source.version_id is None:
        return False
    newest = call.services.store.object(source.bucket.bucket_id, source.stored.key, inline=False)
    return newest is None or newest.sequence != source.stored.sequence


def _description(
    source: CopySource,
    directives: Directives,
    headers: ContentHeaders,
    attributes: dict[str, Any],
) -> Description:
    """What describes the copy. A redirect is never taken over, a storage class neither."""
    storage_class = headers.storage_class or STANDARD
    if directives.metadata_directive == REPLACE:
        return Description(
            content.by_wire_name(headers), headers.metadata, storage_class, attributes
        )
    kept = {name: value for name, value in source.manifest.content.items() if name != REDIRECT}
    if headers.website_redirect_location is not None:
        kept[REDIRECT] = headers.website_redirect_location
    return Description(kept, source.manifest.metadata, storage_class, attributes)
