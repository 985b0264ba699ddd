"""How a version gets into another bucket.

A replica keeps its source's version id, date, parts, ETag (where that tells of the content) and
checksums; it is decrypted and encrypted again like every copy, as the role that the configuration
names.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html
"""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from objstore.call import Call
from objstore.checksum import Algorithm
from objstore.crypt.manifest import (
    Manifest,
    Mode,
    PartEntry,
    decode,
    open_manifest_checksums,
)
from objstore.crypt.sse import AES256, AWS_KMS, AWS_KMS_DSSE, EncryptionHeaders
from objstore.rules import access, acl
from objstore.storage.records import Bucket, StoredObject
from objstore.transfer import locks, steps, tags
from objstore.transfer.encryption import choose
from objstore.transfer.integrity import DEFAULT_ALGORITHM, Digests
from objstore.transfer.outgoing import ATTRIBUTE, KMS_MODES, REPLICA
from objstore.transfer.publish import Description, Stored, publishable, random_etag
from objstore.transfer.receive import Received, commit, receive
from objstore.transfer.source import CopySource, open_key, plaintext

_ALGORITHMS = {Mode.SSE_S3: AES256, Mode.SSE_KMS: AWS_KMS, Mode.DSSE_KMS: AWS_KMS_DSSE}


def encryption_of(mode: Mode, rule: Mapping[str, Any]) -> EncryptionHeaders:
    """How a replica is encrypted: like its source, under the key of the destination.

    Not for a customer's key, which nobody brings along: see sealed_replicas.
    """
    key_id = rule["Destination"].get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID")
    return EncryptionHeaders(
        server_side_encryption=_ALGORITHMS[mode],
        ssekms_key_id=key_id if mode in KMS_MODES else None,
    )


async def replicate(
    call: Call, source: Bucket, stored: StoredObject, rule: Mapping[str, Any]
) -> None:
    """Put a version into the call's bucket. The call is the role's; its permissions are checked.

    Raises what reading, encrypting and storing raise.
    """
    manifest = decode(stored.manifest)
    key = stored.key.decode()
    choice = choose(call, "ReplicateObject", key, encryption_of(manifest.mode, rule))
    services = call.services
    steps.found(call.trace, source, manifest, stored)
    source_key = open_key(call, source, stored, manifest)
    received: list[Received] = []
    try:
        envelope = services.data_keys.generate(call.caller, choice, bucket=call.bucket, key=key)
        try:
            steps.generated(call.trace, envelope)
            sums = open_manifest_checksums(source_key, manifest)
            named = CopySource(source, key, stored.version_id, stored, manifest)
            start = 0
            for part in manifest.parts:
                stop = start + part.length
                digests = Digests(None, kept=_algorithm(manifest))
                inline = len(manifest.parts) == 1
                async with aclosing(
                    await plaintext(call, named, source_key, start=start, stop=stop)
                ) as body:
                    steps.decrypted(call.trace, start=start, stop=stop)
                    received.append(
                        await receive(
                            services.store, envelope.key, body, digests=digests, inline=inline
                        )
                    )
                steps.encrypted(call.trace, envelope, received[-1])
                start = stop
            new = publishable(
                envelope,
                data_key=envelope.key,
                bucket=call.bucket,
                key=stored.key,
                created_ms=stored.modified_ms,
                description=describe(call, stored, manifest, rule),
                stored=_stored(stored, manifest, envelope.mode, received, sums),
                version_id=stored.version_id,
            )
        finally:
            steps.wipe_envelope(call.trace, envelope)
    except BaseException:
        await _discard(call, received)
        raise
    finally:
        steps.wipe_opened(call.trace, source_key)
    try:
        await commit(services.store, None, services.store.put_object(new))
    except Exception:
        await _discard(call, received)
        raise


async def replicate_marker(call: Call, stored: StoredObject) -> None:
    """Put a delete marker into the call's bucket."""
    marker = replace(stored, bucket_id=call.bucket.bucket_id, attributes={ATTRIBUTE: REPLICA})
    await commit(call.services.store, None, call.services.store.put_object(marker))


def _algorithm(manifest: Manifest) -> Algorithm:
    named = manifest.checksum_algorithm
    return Algorithm(named) if named else DEFAULT_ALGORITHM


def _stored(
    stored: StoredObject,
    manifest: Manifest,
    mode: Mode,
    received: list[Received],
    sums: Mapping[str, str],
) -> Stored:
    """The source's parts, checksums and, unless a key makes it random, ETag."""
    etag = stored.etag
    if mode is not Mode.SSE_S3 or manifest.mode is not Mode.SSE_S3:
        suffix = f"-{len(manifest.parts)}" if "-" in stored.etag else ""
        etag = random_etag() + suffix
    return Stored(
        etag=etag,
        parts=tuple(
            PartEntry(part.number, copy.blob.blob_id, part.length, copy.commitment)
            for part, copy in zip(manifest.parts, received, strict=True)
        ),
        blobs=tuple(copy.blob for copy in received),
        inline=received[0].inline,
        checksum_algorithm=stored.checksum_algorithm,
        checksum_type=stored.checksum_type,
        checksums=sums,
    )


def describe(
    call: Call, stored: StoredObject, manifest: Manifest, rule: Mapping[str, Any]
) -> Description:
    """What describes the replica: tags, locks and ACL go along where the bucket has them."""
    destination = rule["Destination"]
    kept = {tags.ATTRIBUTE}
    if locks.SETTING in call.bucket.settings:
        kept |= {locks.RETENTION, locks.LEGAL_HOLD}
    enforced = access.object_ownership(call.bucket.settings) == access.OWNER_ENFORCED
    if not enforced and "AccessControlTranslation" not in destination:
        kept |= {acl.SETTING, acl.OWNER}
    attributes = {name: value for name, value in stored.attributes.items() if name in kept}
    return Description(
        manifest.content,
        manifest.metadata,
        destination.get("StorageClass") or stored.storage_class,
        {**attributes, ATTRIBUTE: REPLICA},
    )


async def _discard(call: Call, received: list[Received]) -> None:
    """Remove blobs that nothing refers to."""
    for copy in received:
        if copy.writer is not None:
            await call.services.store.run(copy.writer.discard)
