"""PutObject.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
"""

from objstore.call import Call, Reply
from objstore.checksum import ChecksumHeaders
from objstore.crypt.manifest import Mode
from objstore.crypt.sse import (
    NO_ENCRYPTION_HEADERS,
    EncryptionHeaders,
    context_header,
    describe,
)
from objstore.errors import S3Error
from objstore.names import key_bytes
from objstore.transfer import content, lifetime, locks, outgoing, steps, versions
from objstore.transfer.attributes import NO_ATTRIBUTE_HEADERS, AttributeHeaders, asked
from objstore.transfer.conditions import (
    NO_WRITE_CONDITIONS,
    WriteConditions,
    authorize_match,
    write_check,
)
from objstore.transfer.content import NO_CONTENT_HEADERS, STANDARD, ContentHeaders
from objstore.transfer.encryption import choose
from objstore.transfer.integrity import (
    NO_CHECKSUM_HEADERS,
    body_digests,
    shown,
)
from objstore.transfer.publish import (
    FULL_OBJECT,
    Description,
    publish,
    publishable,
    single_part,
)
from objstore.transfer.receive import Body, receive

PUT, POSTED = "ObjectCreated:Put", "ObjectCreated:Post"
PUT_BYTES_MAX = 5 * 1024**3


async def put_object(
    call: Call,
    *,
    key: str,
    body: Body,
    content_md5: str | None = None,
    headers: ContentHeaders = NO_CONTENT_HEADERS,
    checksums: ChecksumHeaders = NO_CHECKSUM_HEADERS,
    encryption: EncryptionHeaders = NO_ENCRYPTION_HEADERS,
    attributes: AttributeHeaders = NO_ATTRIBUTE_HEADERS,
    conditions: WriteConditions = NO_WRITE_CONDITIONS,
) -> Reply:
    encoded_key = key_bytes(key)
    content.check(headers)
    _check_size(body)
    asked_for = asked(call, key, attributes)
    check = write_check(conditions, key)
    authorize_match(call, key, conditions.if_match)
    services = call.services
    choice = choose(call, "PutObject", key, encryption)
    # S3 asks KMS before it looks at conditions and checksums, and so do we.
    envelope = services.data_keys.generate(call.caller, choice, bucket=call.bucket, key=key)
    try:
        steps.generated(call.trace, envelope)
        plain_md5 = envelope.mode is Mode.SSE_S3
        digests = body_digests(body, checksums, content_md5, want_md5=plain_md5)
        locks.require_digest(digests.declared, call.bucket, asked_for, request="Put Object")
        if check is not None:
            check(services.store.object(call.bucket.bucket_id, encoded_key, inline=False))
        received = await receive(services.store, envelope.key, body, digests=digests)
        steps.encrypted(call.trace, envelope, received)
        new = publishable(
            envelope,
            data_key=envelope.key,
            bucket=call.bucket,
            key=encoded_key,
            created_ms=int(services.clock.now() * 1000),
            description=Description(
                content.by_wire_name(headers),
                headers.metadata,
                headers.storage_class or STANDARD,
                asked_for,
            ),
            stored=single_part(received, plain_md5=plain_md5),
        )
        new = outgoing.bound(call, envelope.key, new)
    finally:
        steps.wipe_envelope(call.trace, envelope)
    await publish(call, received, new, check, event=_event(call))
    return {
        "ETag": f'"{new.etag}"',
        "VersionId": versions.written(new.version_id),
        **lifetime.expires(call, new),
        "SSEKMSEncryptionContext": context_header(envelope),
        **describe(envelope, choice.customer),
        **shown(received.checksum_algorithm, received.checksum, FULL_OBJECT),
    }


def _event(call: Call) -> str:
    """What notifications call this write: a form's is not a PUT."""
    return POSTED if call.operation == "PostObject" else PUT


def _check_size(body: Body) -> None:
    if body.length > PUT_BYTES_MAX:
        raise S3Error(
            "EntityTooLarge",
            ProposedSize=str(body.length),
            MaxSizeAllowed=str(PUT_BYTES_MAX),
        )
