"""From what was received to the row that publishes it: manifest, MAC, sealed checksums.

Every way in (PutObject, CopyObject, CompleteMultipartUpload) ends here, so that no object can
exist whose manifest does not bind its place, its parts and its key.
"""

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from kms.aws.values import value_class
from objstore.call import Call
from objstore.crypt.data_keys import Wrapped
from objstore.crypt.manifest import (
    DERIVED_CHECKSUMS,
    BindingKeys,
    Manifest,
    PartEntry,
    authenticate,
    encode,
    seal_checksums,
)
from objstore.storage.records import BlobRef, Bucket, Check, StoredObject
from objstore.transfer import events, locks, outgoing
from objstore.transfer.attributes import of_new
from objstore.transfer.conditions import at_commit
from objstore.transfer.receive import Received, commit
from objstore.transfer.versions import new_version_id

FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"
ETAG_BYTES = 16


@value_class(frozen=True, slots=True)
class Description:
    """What a client said about an object: content headers, user metadata, storage class, tags …"""

    content: Mapping[str, str]
    metadata: Mapping[str, str]
    storage_class: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@value_class(frozen=True, slots=True)
class Stored:
    """What was stored for it: its parts in order and the blobs that hold them.

    `checksums` are base64 values by name: the algorithm's for the object, a number for a part's.
    """

    etag: str
    parts: tuple[PartEntry, ...]
    blobs: tuple[BlobRef, ...]
    inline: bytes | None
    checksum_algorithm: str
    checksum_type: str
    checksums: Mapping[str, str] = field(default_factory=dict)


async def publish(
    call: Call, received: Received, new: StoredObject, check: Check | None, *, event: str
) -> None:
    """Commit the row of what was received, as its key's newest version, if `check` allows it.

    `event` is what the destinations of the bucket's notifications are told. Raises what `check`
    raises, and AccessDenied if a locked null version would be destroyed.
    """
    guard = locks.guard(now_ms=new.modified_ms)
    store = call.services.store
    new, sent = outgoing.planned(call.bucket, new)
    messages = (*events.written(call, event, new), *sent)
    transaction = store.put_object(new, check=at_commit(check), guard=guard, messages=messages)
    await commit(store, received, transaction)


def random_etag() -> str:
    """An ETag for objects whose ETag is not an MD5 (SSE-KMS)."""
    return os.urandom(ETAG_BYTES).hex()


def single_part(received: Received, *, plain_md5: bool) -> Stored:
    """An object of one blob. Its ETag is the MD5 where S3 promises that, else random."""
    etag = received.md5 if plain_md5 else None
    part = PartEntry(
        number=1,
        blob_id=received.blob.blob_id,
        length=received.size,
        commitment=received.commitment,
    )
    return Stored(
        etag=etag or random_etag(),
        parts=(part,),
        blobs=(received.blob,),
        inline=received.inline,
        checksum_algorithm=received.checksum_algorithm,
        checksum_type=FULL_OBJECT,
        checksums={received.checksum_algorithm: received.checksum},
    )


def publishable(
    envelope: Wrapped,
    *,
    data_key: bytearray | BindingKeys,
    bucket: Bucket,
    key: bytes,
    created_ms: int,
    description: Description,
    stored: Stored,
    version_id: str | None = None,
) -> StoredObject:
    """The row of a new object, as its newest version, whose `data_key` `envelope` holds wrapped.

    The keys derived from the data key do as well as the key itself. `version_id` is a replica's.
    """
    version_id = version_id or new_version_id(bucket)
    sealing_key, flags = data_key, envelope.flags
    if isinstance(sealing_key, BindingKeys):
        sealing_key, flags = sealing_key.checksums, flags | DERIVED_CHECKSUMS
    size = sum(part.length for part in stored.parts)
    manifest = Manifest(
        bucket_id=bucket.bucket_id,
        key=key,
        version_id=version_id,
        size=size,
        etag=stored.etag,
        created_ms=created_ms,
        mode=envelope.mode,
        kms_key_arn=envelope.kms_key_arn,
        wrapped_key=envelope.wrapped_key,
        context=envelope.context,
        content=description.content,
        metadata=description.metadata,
        checksums=seal_checksums(sealing_key, stored.checksums, binding=version_id.encode()),
        checksum_algorithm=stored.checksum_algorithm,
        checksum_type=stored.checksum_type,
        parts=stored.parts,
        flags=flags,
    )
    encoded = encode(manifest)
    return StoredObject(
        bucket_id=bucket.bucket_id,
        key=key,
        version_id=version_id,
        size=size,
        etag=stored.etag,
        modified_ms=created_ms,
        storage_class=description.storage_class,
        checksum_algorithm=stored.checksum_algorithm,
        checksum_type=stored.checksum_type,
        manifest=encoded,
        mac=authenticate(data_key, encoded),
        blobs=stored.blobs,
        attributes=of_new(bucket, description.attributes, created_ms=created_ms),
        inline=stored.inline,
    )
