"""How a version under a customer's key gets into another bucket: as it is sealed, without the key.

Blobs, wrapped data key and its context are the source's. The manifest differs in the bucket only,
and its MAC was made when the source was written (`outgoing.bound`), so a replica is no less bound
to its place than its source, and opens with the customer's key alone.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from objstore.call import Call
from objstore.crypt.manifest import Mode, decode, encode
from objstore.errors import S3Error
from objstore.storage.blobs import BlobWriter, inline_blob, new_blob_id
from objstore.storage.records import BlobDamagedError, BlobRef, StoredObject
from objstore.storage.store import Store
from objstore.transfer.attributes import of_new
from objstore.transfer.encryption import check_not_blocked
from objstore.transfer.outgoing import of_replica
from objstore.transfer.receive import commit
from objstore.transfer.replicas import describe
from objstore.transfer.send import BATCH_BYTES
from objstore.transfer.source import check_place


async def replicate_sealed(
    call: Call, stored: StoredObject, rule: Mapping[str, Any], macs: Mapping[str, str]
) -> None:
    """Put a version into the call's bucket, whose MAC is among `macs`, by bucket id.

    The call is the role's; its permissions are checked. Raises NoSuchBucket for a bucket that the
    version was not written for, AccessDenied for one that takes no customers' keys, and
    TamperedError or BlobDamagedError if what is stored is not what was written.
    """
    manifest = decode(stored.manifest)
    check_place(stored, manifest)
    check_not_blocked(call, "ReplicateObject", stored.key.decode(), Mode.SSE_C)
    mac = macs.get(call.bucket.bucket_id.hex())
    if mac is None:
        raise S3Error("NoSuchBucket", "The bucket was made after the version was written")
    store = call.services.store
    description = describe(call, stored, manifest, rule)
    copied, writers = await _copied(store, stored)
    new = replace(
        stored,
        bucket_id=call.bucket.bucket_id,
        storage_class=description.storage_class,
        manifest=encode(of_replica(manifest, call.bucket)),
        mac=bytes.fromhex(mac),
        blobs=copied,
        attributes=of_new(call.bucket, description.attributes, created_ms=stored.modified_ms),
    )
    try:
        await commit(store, None, store.put_object(new))
    except Exception:
        await _discard(store, writers)
        raise


async def _copied(
    store: Store, stored: StoredObject
) -> tuple[tuple[BlobRef, ...], list[BlobWriter]]:
    """The blobs once more, under other names; one that lies inline brings its bytes itself."""
    if stored.inline is not None:
        copy = inline_blob(stored.inline, new_blob_id())
        _check_same(copy, stored.blobs[0])
        return (copy,), []
    copied: list[BlobRef] = []
    writers: list[BlobWriter] = []
    try:
        for ref in stored.blobs:
            copy, writer = await store.run(_copy, store, ref)
            writers.append(writer)
            copied.append(copy)
            _check_same(copy, ref)
    except BaseException:
        await _discard(store, writers)
        raise
    return tuple(copied), writers


def _copy(store: Store, ref: BlobRef) -> tuple[BlobRef, BlobWriter]:
    """Copy a blob, in a file or inline, into a file. Blocking."""
    writer = store.new_blob(ref.size)
    try:
        with store.open_blob(ref) as reader:
            buffer = memoryview(bytearray(min(BATCH_BYTES, ref.size)))
            for offset in range(0, ref.size, BATCH_BYTES):
                piece = buffer[: ref.size - offset]
                reader.read_into(piece, offset)
                writer.write(piece)
        return writer.finish(), writer
    except BaseException:
        writer.discard()
        raise


def _check_same(copy: BlobRef, ref: BlobRef) -> None:
    """Only the customer can open the chunks; their checksum tells damage all the same."""
    if (copy.size, copy.crc64) != (ref.size, ref.crc64):
        raise BlobDamagedError(ref.blob_id.hex())


async def _discard(store: Store, writers: list[BlobWriter]) -> None:
    for writer in writers:
        await store.run(writer.discard)
