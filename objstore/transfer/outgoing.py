"""Which new versions go to other buckets. The plan is made with the write, in its transaction.

A version under a customer's key goes as it is sealed, since nobody brings the key along. Only its
manifest is another, of another bucket, so the write makes the MACs of its replicas' manifests too.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html
"""

from dataclasses import replace
from typing import Any

from objstore.call import Call
from objstore.crypt.manifest import BindingKeys, Manifest, Mode, authenticate, decode, encode
from objstore.rules import replication
from objstore.storage.records import Bucket, Message, StoredObject
from objstore.transfer import tags

KIND = "replication"
ATTRIBUTE = "replication"
PENDING, COMPLETED, FAILED, REPLICA = "PENDING", "COMPLETED", "FAILED", "REPLICA"
KMS_MODES = (Mode.SSE_KMS, Mode.DSSE_KMS)
MACS = "replica-macs"  # of attributes until the write is planned, then of the message


def planned(bucket: Bucket, new: StoredObject) -> tuple[StoredObject, tuple[Message, ...]]:
    """A new version as it is stored, and the message that sends it on, if it is to go anywhere."""
    document = bucket.settings.get(replication.SETTING)
    if document is None:
        return new, ()
    rules = _rules(document, new)
    if new.delete_marker:
        rules = [rule for rule in rules if replication.sends_markers(rule)]
    elif decode(new.manifest).mode in KMS_MODES:
        rules = [rule for rule in rules if replication.sends_kms(rule)]
    attributes = dict(new.attributes)
    macs = attributes.pop(MACS, {})
    if not rules:
        return new, ()
    body = {
        "bucket": bucket.name,
        "bucket_id": bucket.bucket_id.hex(),
        "key": new.key.decode(),
        "version_id": new.version_id,
        "rules": [rule["ID"] for rule in rules],
        **({MACS: macs} if macs else {}),
    }
    if not new.delete_marker:
        new = replace(new, attributes={**attributes, ATTRIBUTE: PENDING})
    return new, (Message(KIND, body),)


def bound(call: Call, keys: bytearray | BindingKeys, new: StoredObject) -> StoredObject:
    """A new version of the call's bucket with the MACs of its replicas, if it will need them.

    `keys` are what its own MAC was made with. A MAC holds for one bucket, not for its name.
    """
    document = call.bucket.settings.get(replication.SETTING)
    if document is None:
        return new
    manifest = decode(new.manifest)
    if manifest.mode is not Mode.SSE_C:
        return new
    macs: dict[str, str] = {}
    for rule in _rules(document, new):
        target = call.services.store.bucket(replication.destination_bucket(rule))
        if target is not None:
            encoded = encode(of_replica(manifest, target))
            macs[target.bucket_id.hex()] = authenticate(keys, encoded).hex()
    return replace(new, attributes={**new.attributes, MACS: macs}) if macs else new


def of_replica(manifest: Manifest, target: Bucket) -> Manifest:
    """The manifest of a version that is sealed as its source is, in another bucket."""
    return replace(manifest, bucket_id=target.bucket_id)


def _rules(document: replication.Document, new: StoredObject) -> list[replication.Document]:
    return replication.matching(document, new.key.decode(), new.attributes.get(tags.ATTRIBUTE, {}))


def describe(stored: StoredObject) -> dict[str, Any]:
    """The member that GetObject and HeadObject carry for a version that is, or has, a replica."""
    status = stored.attributes.get(ATTRIBUTE)
    return {} if status is None else {"ReplicationStatus": status}
