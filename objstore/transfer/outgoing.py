"""Which new versions go to other buckets. The plan is made with the write, in its transaction.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html
"""

from dataclasses import replace
from typing import Any

from objstore.crypt.manifest import Mode, decode
from objstore.rules import replication
from objstore.storage.records import Bucket, Message, StoredObject
from objstore.transfer import tags

KIND = "replication"
ATTRIBUTE = "replication"
PENDING, COMPLETED, FAILED, REPLICA = "PENDING", "COMPLETED", "FAILED", "REPLICA"
KMS_MODES = (Mode.SSE_KMS, Mode.DSSE_KMS)


def planned(bucket: Bucket, new: StoredObject) -> tuple[StoredObject, tuple[Message, ...]]:
    """A new version as it is stored, and the message that sends it on, if it is to go anywhere."""
    document = bucket.settings.get(replication.SETTING)
    if document is None:
        return new, ()
    rules = replication.matching(document, new.key.decode(), new.attributes.get(tags.ATTRIBUTE, {}))
    if new.delete_marker:
        rules = [rule for rule in rules if replication.sends_markers(rule)]
    elif decode(new.manifest).mode in KMS_MODES:
        rules = [rule for rule in rules if replication.sends_kms(rule)]
    if not rules:
        return new, ()
    body = {
        "bucket": bucket.name,
        "bucket_id": bucket.bucket_id.hex(),
        "key": new.key.decode(),
        "version_id": new.version_id,
        "rules": [rule["ID"] for rule in rules],
    }
    if not new.delete_marker:
        new = replace(new, attributes={**new.attributes, ATTRIBUTE: PENDING})
    return new, (Message(KIND, body),)


def describe(stored: StoredObject) -> dict[str, Any]:
    """The member that GetObject and HeadObject carry for a version that is, or has, a replica."""
    status = stored.attributes.get(ATTRIBUTE)
    return {} if status is None else {"ReplicationStatus": status}
