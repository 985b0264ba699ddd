"""CreateMultipartUpload, UploadPart, UploadPartCopy: an object on its way in, part by part.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

import secrets
from contextlib import aclosing
from dataclasses import dataclass

from objstore.call import Call, Reply
from objstore.checksum import ChecksumHeaders, declared
from objstore.crypt.customer_keys import (
    COPYING,
    NO_COPY_SOURCE_KEY,
    NO_CUSTOMER_KEY,
    CopySourceKeyHeaders,
    CustomerKeyHeaders,
)
from objstore.crypt.manifest import Mode
from objstore.crypt.sse import (
    NO_ENCRYPTION_HEADERS,
    EncryptionHeaders,
    context_header,
    describe,
)
from objstore.errors import S3Error
from objstore.names import (
    instant,
    key_bytes,
)
from objstore.payload import Payload
from objstore.storage.records import (
    BlobMissingError,
    Part,
    Upload,
)
from objstore.transfer import content, lifetime, locks, steps, versions
from objstore.transfer.attributes import NO_ATTRIBUTE_HEADERS, AttributeHeaders, asked
from objstore.transfer.conditions import (
    NO_COPY_SOURCE_CONDITIONS,
    CopySourceConditions,
    check_copy_source,
)
from objstore.transfer.content import NO_CONTENT_HEADERS, STANDARD, ContentHeaders
from objstore.transfer.encryption import check_not_blocked, choose
from objstore.transfer.integrity import (
    NO_CHECKSUM_HEADERS,
    Digests,
    body_digests,
    shown,
)
from objstore.transfer.publish import Description, random_etag
from objstore.transfer.ranges import parse_copy_range
from objstore.transfer.receive import Raw, Received, Source, commit, receive
from objstore.transfer.source import check_copied_size, copy_source, open_key, plaintext
from objstore.transfer.upload import (
    check_algorithm,
    check_part_number,
    checksum_type_of,
    find_upload,
    kept_algorithm,
    make_recipe,
    open_upload_key,
    read_recipe,
    seal_part,
)

PART_BYTES_MAX = 5 * 1024**3
UPLOAD_ID_BYTES = 32
UPLOAD_ID_TIME_DIGITS = 12


@dataclass(frozen=True, slots=True)
class CopiedPart:
    """What UploadPartCopy reads."""

    copy_source: str = ""
    copy_source_range: str | None = None
    expected_source_bucket_owner: str | None = None


@dataclass(frozen=True, slots=True)
class CopiedKeys:
    """The customer's keys of the upload and of the source."""

    target: CustomerKeyHeaders
    source: CustomerKeyHeaders


def new_upload_id(now_ms: int) -> str:
    """An id that nobody guesses, and that comes after those of earlier uploads."""
    return f"{now_ms:0{UPLOAD_ID_TIME_DIGITS}x}{secrets.token_urlsafe(UPLOAD_ID_BYTES)}"


async def create_multipart_upload(
    call: Call,
    *,
    key: str,
    checksum_algorithm: str | None = None,
    checksum_type: str | None = None,
    headers: ContentHeaders = NO_CONTENT_HEADERS,
    encryption: EncryptionHeaders = NO_ENCRYPTION_HEADERS,
    attributes: AttributeHeaders = NO_ATTRIBUTE_HEADERS,
) -> Reply:
    encoded_key = key_bytes(key)
    content.check(headers)
    kind = checksum_type_of(checksum_algorithm, checksum_type)
    asked_for = asked(call, key, attributes)
    choice = choose(call, "CreateMultipartUpload", key, encryption)
    services = call.services
    now_ms = int(services.clock.now() * 1000)
    upload_id = new_upload_id(now_ms)
    storage_class = headers.storage_class or STANDARD
    envelope = services.data_keys.generate(call.caller, choice, bucket=call.bucket, key=key)
    try:
        steps.generated(call.trace, envelope)
        recipe = make_recipe(
            services.data_keys,
            envelope,
            upload_id=upload_id,
            bucket=call.bucket,
            key=encoded_key,
            created_ms=now_ms,
            description=Description(content.by_wire_name(headers), headers.metadata, storage_class),
            checksum_algorithm=checksum_algorithm or "",
            checksum_type=kind,
        )
    finally:
        steps.wipe_envelope(call.trace, envelope)
    upload = Upload(
        upload_id=upload_id,
        bucket_id=call.bucket.bucket_id,
        key=encoded_key,
        initiated_ms=now_ms,
        owner=call.caller.principal.arn,
        storage_class=storage_class,
        checksum_algorithm=checksum_algorithm or "",
        checksum_type=kind,
        recipe=recipe,
        attributes=asked_for,
    )
    await commit(services.store, None, services.store.create_upload(upload))
    return {
        "Bucket": call.bucket.name,
        "Key": key,
        "UploadId": upload.upload_id,
        **lifetime.aborts(call, key, upload.initiated_ms),
        "ChecksumAlgorithm": checksum_algorithm,
        "ChecksumType": kind or None,
        "SSEKMSEncryptionContext": context_header(envelope),
        **describe(envelope, choice.customer),
    }


async def upload_part(
    call: Call,
    *,
    key: str,
    upload_id: str,
    part_number: int,
    body: Payload,
    content_md5: str | None = None,
    checksums: ChecksumHeaders = NO_CHECKSUM_HEADERS,
    customer: CustomerKeyHeaders = NO_CUSTOMER_KEY,
) -> Reply:
    check_part_number(part_number)
    if body.length > PART_BYTES_MAX:
        raise S3Error(
            "EntityTooLarge",
            ProposedSize=str(body.length),
            MaxSizeAllowed=str(PART_BYTES_MAX),
        )
    upload = find_upload(call, upload_id, key)
    check_algorithm(upload, declared(checksums, body.trailer_names))
    recipe = read_recipe(upload)
    manifest = recipe.manifest
    check_not_blocked(call, "UploadPart", key, manifest.mode)
    digests = body_digests(
        body,
        checksums,
        content_md5,
        want_md5=manifest.mode is Mode.SSE_S3,
        kept=kept_algorithm(upload),
    )
    locks.require_digest(digests.declared, call.bucket, upload.attributes, request="Put Part")
    data_key = open_upload_key(call, upload, recipe, customer)
    try:
        part, received = await _take(call, upload, part_number, data_key, body, digests)
        steps.encrypted(call.trace, manifest, received)
    finally:
        steps.wipe_opened(call.trace, data_key)
    await commit(call.services.store, received, call.services.store.put_part(part))
    verified = digests.verified
    return {
        "ETag": f'"{part.etag}"',
        **describe(manifest, customer),
        **(shown(*verified) if verified is not None else {}),
    }


async def upload_part_copy(
    call: Call,
    *,
    key: str,
    upload_id: str,
    part_number: int,
    copied: CopiedPart,
    conditions: CopySourceConditions = NO_COPY_SOURCE_CONDITIONS,
    customer: CustomerKeyHeaders = NO_CUSTOMER_KEY,
    source_key: CopySourceKeyHeaders = NO_COPY_SOURCE_KEY,
) -> Reply:
    check_part_number(part_number)
    upload = find_upload(call, upload_id, key)
    keys = CopiedKeys(customer, source_key.customer)
    try:
        return await _copy_part(call, upload, part_number, copied, conditions, keys)
    except BlobMissingError:
        # The source was replaced while the copy began; look again, once.
        return await _copy_part(call, upload, part_number, copied, conditions, keys)


async def _copy_part(
    call: Call,
    upload: Upload,
    number: int,
    copied: CopiedPart,
    conditions: CopySourceConditions,
    keys: CopiedKeys,
) -> Reply:
    recipe = read_recipe(upload)
    manifest = recipe.manifest
    check_not_blocked(call, "UploadPartCopy", upload.key.decode(), manifest.mode)
    source = copy_source(
        call, copied.copy_source, expected_owner=copied.expected_source_bucket_owner
    )
    check_copy_source(conditions, source.stored, call.services.clock)
    size = source.stored.size
    text = copied.copy_source_range
    start, stop = (0, size) if text is None else parse_copy_range(text, size)
    check_copied_size(stop - start)
    kept = kept_algorithm(upload)
    digests = Digests(None, kept=kept, want_md5=manifest.mode is Mode.SSE_S3)
    steps.found(call.trace, source.bucket, source.manifest, source.stored)
    source_key = open_key(call, source.bucket, source.stored, source.manifest, keys.source, COPYING)
    try:
        data_key = open_upload_key(call, upload, recipe, keys.target)
        try:
            async with aclosing(
                await plaintext(call, source, source_key, start=start, stop=stop)
            ) as body:
                steps.decrypted(call.trace, start=start, stop=stop)
                part, received = await _take(call, upload, number, data_key, body, digests)
            steps.encrypted(call.trace, manifest, received)
        finally:
            steps.wipe_opened(call.trace, data_key)
    finally:
        steps.wipe_opened(call.trace, source_key)
    await commit(call.services.store, received, call.services.store.put_part(part))
    result = {"ETag": f'"{part.etag}"', "LastModified": instant(part.modified_ms)}
    if upload.checksum_algorithm:
        result |= shown(kept, received.checksum)
    return {
        "CopyPartResult": result,
        "CopySourceVersionId": versions.written(source.stored.version_id),
        **describe(manifest, keys.target),
    }


async def _take(
    call: Call,
    upload: Upload,
    number: int,
    data_key: bytearray,
    source: Source[Raw],
    digests: Digests,
) -> tuple[Part, Received]:
    """Receive a part and describe its row, which is yet to be committed."""
    received = await receive(call.services.store, data_key, source, digests=digests)
    etag = received.md5 if digests.want_md5 and received.md5 else random_etag()
    part = Part(
        upload_id=upload.upload_id,
        number=number,
        size=received.size,
        etag=etag,
        modified_ms=int(call.services.clock.now() * 1000),
        blob=received.blob,
        sealed=seal_part(data_key, upload.upload_id, number, etag, received),
        inline=received.inline,
    )
    return part, received
