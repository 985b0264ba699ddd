"""Replication between buckets of one server: as a role that may, or not at all."""

import hashlib
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from kms.aws.errors import AWSError
from kms.aws.identity import Policies, Principal, PrincipalKind, Session
from kms.aws.policy import PolicyKind, parse
from objstore.authorize import Authorizer
from objstore.checksum import Algorithm, ChecksumHeaders, checksum
from objstore.crypt.customer_keys import NO_CUSTOMER_KEY, CustomerKeyHeaders, headers_for
from objstore.crypt.manifest import decode
from objstore.crypt.sse import ACCEPTING_SSE_C, SETTING, EncryptionHeaders
from objstore.replication import Replication
from objstore.storage.records import BusyError
from objstore.trace import TraceFile
from objstore.transfer.attributes import AttributeHeaders
from objstore.transfer.content import ContentHeaders
from objstore.transfer.outgoing import KIND

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
KMS = EncryptionHeaders(server_side_encryption="aws:kms")
DSSE = EncryptionHeaders(server_side_encryption="aws:kms:dsse")
CUSTOMER_KEY = bytes(range(32))
CUSTOMER = (
    "AES256",
    b64encode(CUSTOMER_KEY).decode(),
    b64encode(hashlib.md5(CUSTOMER_KEY).digest()).decode(),
)
UNDER_CUSTOMERS_KEY = EncryptionHeaders(None, None, None, None, *CUSTOMER)
OTHER_KEY = headers_for(bytes(32))
TAGGED = AttributeHeaders(tagging="k=v")
SELECT_KMS = {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
RULE: dict[str, Any] = {
    "ID": "r",
    "Status": "Enabled",
    "Priority": 1,
    "Filter": {},
    "DeleteMarkerReplication": {"Status": "Enabled"},
    "Destination": {"Bucket": "arn:aws:s3:::target"},
}
EVERYTHING = ["s3:*", "kms:*"]
KEY_ID = "11111111-2222-3333-4444-555555555555"


def role(actions: list[str]) -> Principal:
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    policies = (
        Policies((parse(text, kind=PolicyKind.IDENTITY, name="p"),)) if actions else Policies()
    )
    return Principal(
        PrincipalKind.ASSUMED_ROLE,
        ACCOUNT,
        f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s3-replication",
        "AROA:s3-replication",
        "s3-replication",
        session=Session(ROLE, "AROA", "r", 0.0),
        policies=policies,
    )


class Replicating:
    """Two buckets, `bucket` and `target`, and who sends from one to the other."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        self.principal: Principal | None = role(EVERYTHING)
        authorizer = Authorizer(
            s3.store, s3.clock, account=s3.services.account, account_of=s3.services.account_of
        )
        self.replication = Replication(
            s3.services, authorizer, s3.clock, lambda role_arn, source: self.principal
        )

    async def configure(self, **changed: Any) -> None:
        await self.s3.make_bucket("target")
        versioned = {"versioning": {"Status": "Enabled"}}
        document = {"Role": ROLE, "Rules": [{**RULE, **changed}]}
        await self.s3.store.update_bucket("target", lambda old: {**old, **versioned})
        await self.s3.store.update_bucket(
            "bucket", lambda old: {**old, **versioned, "replication": document}
        )
        self.s3.bucket = self.s3.store.bucket("bucket")

    def plant_key(self) -> None:
        """A customer's key, whose use is a matter of policies."""
        self.s3.kms.plant_key(
            account=ACCOUNT,
            region="us-east-1",
            key_id=KEY_ID,
            aliases=(),
            description="",
            material=None,
        )

    async def there(self, operation: str, **members: Any) -> Any:
        """A call on the target bucket."""
        own, self.s3.bucket = self.s3.bucket, self.s3.store.bucket("target")
        try:
            return await self.s3.call(operation, **members)
        finally:
            self.s3.bucket = own

    async def status(self, key: str = "a") -> Any:
        return (await self.s3.call("HeadObject", key=key))["ReplicationStatus"]

    def rows(self, bucket: str) -> list[Any]:
        found = self.s3.store.bucket(bucket)
        page = self.s3.store.list_versions(
            found.bucket_id, prefix=b"", after_key=b"", after_version="", delimiter=b"", limit=99
        )
        return list(page.versions)

    @property
    def waiting(self) -> int:
        count: int = self.s3.store.outbox.count(KIND)
        return count


@pytest.fixture
def replicating(s3: Any) -> Replicating:
    return Replicating(s3)


async def unblock(replicating: Replicating, *names: str) -> None:
    """Have buckets take customers' keys."""
    for name in names:
        await replicating.s3.store.update_bucket(
            name, lambda old: {**old, SETTING: ACCEPTING_SSE_C}
        )
    replicating.s3.bucket = replicating.s3.store.bucket("bucket")


async def bytes_of(reply: Any) -> bytes:
    body = reply["Body"]
    return body if isinstance(body, bytes) else b"".join([bytes(part) async for part in body])


@pytest.mark.parametrize("size", [0, 5, 300_000])
async def test_a_replica_is_its_source(replicating: Replicating, size: int) -> None:
    await replicating.configure()
    headers = ContentHeaders(content_type="text/plain", metadata={"a": "1"})
    data = b"x" * size
    put = await replicating.s3.put(
        "a", data, headers=headers, attributes=AttributeHeaders(tagging="k=v")
    )
    replicating.s3.clock.advance(60)
    assert not await replicating.replication.run()
    assert await replicating.status() == "COMPLETED"
    copy = await replicating.there("GetObject", key="a")
    assert await bytes_of(copy) == data
    source = await replicating.s3.call("HeadObject", key="a")
    for member in ("VersionId", "ETag", "LastModified", "ContentType", "Metadata", "TagCount"):
        assert copy[member] == source[member]
    assert copy["VersionId"] == put["VersionId"]
    assert copy["ReplicationStatus"] == "REPLICA"
    assert replicating.waiting == 0


async def test_parts_and_checksums_go_along(replicating: Replicating) -> None:
    await replicating.configure()
    s3 = replicating.s3
    upload = await s3.begin("a", checksum_algorithm="SHA256")
    parts = {1: b"x" * (5 * 1024 * 1024), 2: b"tail"}
    etags = {}
    for number, data in parts.items():
        sums = ChecksumHeaders(checksum_sha256=checksum(Algorithm.SHA256, data))
        reply = await s3.part("a", upload, number, data, checksums=sums)
        etags[number] = {"ETag": reply["ETag"], "ChecksumSHA256": reply["ChecksumSHA256"]}
    await s3.complete("a", upload, etags)
    await replicating.replication.run()
    source = await s3.call("GetObjectAttributes", key="a", object_attributes=["ETag", "Checksum"])
    copy = await replicating.there(
        "GetObjectAttributes", key="a", object_attributes=["ETag", "Checksum"]
    )
    assert copy["ETag"] == source["ETag"]
    assert copy["Checksum"] == source["Checksum"]
    whole = await replicating.there("GetObject", key="a")
    assert await bytes_of(whole) == b"".join(parts.values())


async def test_objects_under_kms_keys_get_the_destinations_key(replicating: Replicating) -> None:
    replicating.plant_key()
    encryption = {"EncryptionConfiguration": {"ReplicaKmsKeyID": KEY_ID}}
    destination = {**RULE["Destination"], **encryption}
    await replicating.configure(SourceSelectionCriteria=SELECT_KMS, Destination=destination)
    put = await replicating.s3.put("a", b"secret", encryption=KMS)
    await replicating.replication.run()
    assert await replicating.status() == "COMPLETED"
    copy = await replicating.there("GetObject", key="a")
    assert await bytes_of(copy) == b"secret"
    assert copy["SSEKMSKeyId"].endswith(KEY_ID)
    assert copy["SSEKMSKeyId"] != put["SSEKMSKeyId"]
    target = replicating.s3.store.bucket("target")
    manifest = decode(replicating.s3.store.object(target.bucket_id, b"a").manifest)
    assert manifest.context == {"aws:s3:arn": "arn:aws:s3:::target/a"}


async def test_the_steps_of_a_replica_are_kept(replicating: Replicating, tmp_path: Path) -> None:
    replicating.plant_key()
    encryption = {"EncryptionConfiguration": {"ReplicaKmsKeyID": KEY_ID}}
    destination = {**RULE["Destination"], **encryption}
    await replicating.configure(SourceSelectionCriteria=SELECT_KMS, Destination=destination)
    replicating.replication._traces = TraceFile(tmp_path)
    await replicating.s3.put("a", b"secret", encryption=KMS)
    await replicating.s3.call("DeleteObject", key="a")
    await replicating.replication.run()
    found = await TraceFile(tmp_path).find()
    assert [(trace["operation"], trace["resource"]) for trace in found] == [
        ("ReplicateObject", "/target/a")
    ]
    taken = found[0]["steps"]
    assert [step["step"] for step in taken] == [
        *("request", "read row", "Decrypt", "GenerateDataKey", "decrypt"),
        *("encrypt", "store", "wipe", "wipe"),
    ]
    assert taken[1]["bucket"] == "bucket"
    assert taken[3]["key_arn"].endswith(KEY_ID)


async def test_two_layers_stay_two_layers(replicating: Replicating) -> None:
    replicating.plant_key()
    encryption = {"EncryptionConfiguration": {"ReplicaKmsKeyID": KEY_ID}}
    destination = {**RULE["Destination"], **encryption}
    await replicating.configure(SourceSelectionCriteria=SELECT_KMS, Destination=destination)
    await replicating.s3.put("a", b"secret" * 50_000, encryption=DSSE)
    await replicating.replication.run()
    assert await replicating.status() == "COMPLETED"
    copy = await replicating.there("GetObject", key="a")
    assert await bytes_of(copy) == b"secret" * 50_000
    assert copy["ServerSideEncryption"] == "aws:kms:dsse"
    assert copy["SSEKMSKeyId"].endswith(KEY_ID)


@pytest.mark.parametrize("size", [0, 6, 300_000])
async def test_objects_under_customers_keys_go_as_they_are_sealed(
    replicating: Replicating, size: int
) -> None:
    await replicating.configure()
    await unblock(replicating, "bucket", "target")
    headers = ContentHeaders(content_type="text/plain", metadata={"a": "1"})
    data, customer = b"s" * size, CustomerKeyHeaders(*CUSTOMER)
    await replicating.s3.put(
        "a", data, headers=headers, encryption=UNDER_CUSTOMERS_KEY, attributes=TAGGED
    )
    await replicating.replication.run()
    assert (replicating.waiting, replicating.s3.kms_events()) == (0, [])
    source = await replicating.s3.call("HeadObject", key="a", customer=customer)
    copy = await replicating.there("GetObject", key="a", customer=customer)
    assert await bytes_of(copy) == data
    for member in ("VersionId", "ETag", "LastModified", "ContentType", "Metadata", "TagCount"):
        assert copy[member] == source[member]
    assert (source["ReplicationStatus"], copy["ReplicationStatus"]) == ("COMPLETED", "REPLICA")
    for key, code in ((NO_CUSTOMER_KEY, "InvalidRequest"), (OTHER_KEY, "AccessDenied")):
        with pytest.raises(AWSError, match=code):
            await replicating.there("GetObject", key="a", customer=key)


async def test_a_bucket_may_refuse_replicas_under_customers_keys(replicating: Replicating) -> None:
    await replicating.configure()
    await unblock(replicating, "bucket")
    await replicating.s3.put("a", b"secret", encryption=UNDER_CUSTOMERS_KEY)
    await replicating.replication.run()
    customer = CustomerKeyHeaders(*CUSTOMER)
    reply = await replicating.s3.call("GetObject", key="a", customer=customer)
    assert reply["ReplicationStatus"] == "FAILED"
    assert await bytes_of(reply) == b"secret"
    assert replicating.rows("target") == []
    assert replicating.waiting == 0


async def test_markers_are_hidden_there_too(replicating: Replicating) -> None:
    await replicating.configure()
    put = await replicating.s3.put("a", b"x")
    marker = await replicating.s3.call("DeleteObject", key="a")
    await replicating.replication.run()
    found = [(row.version_id, row.delete_marker) for row in replicating.rows("target")]
    assert found == [(marker["VersionId"], True), (put["VersionId"], False)]


async def test_versions_of_a_key_keep_their_order(replicating: Replicating) -> None:
    await replicating.configure()
    for number in range(5):
        await replicating.s3.put("a", str(number).encode())
    await replicating.replication.run()
    assert [row.version_id for row in replicating.rows("target")] == [
        row.version_id for row in replicating.rows("bucket")
    ]


@pytest.mark.parametrize(
    "principal",
    [None, role([]), role(["s3:GetObjectVersionForReplication"]), role(["s3:ReplicateObject"])],
    ids=["no role", "nothing", "read", "write"],
)
async def test_a_role_that_may_not_sends_nothing(
    replicating: Replicating, principal: Principal | None
) -> None:
    await replicating.configure()
    replicating.principal = principal
    await replicating.s3.put("a", b"x")
    await replicating.replication.run()
    assert await replicating.status() == "FAILED"
    assert replicating.rows("target") == []
    assert replicating.waiting == 0


async def test_a_role_that_may_not_decrypt_sends_nothing(replicating: Replicating) -> None:
    replicating.plant_key()
    await replicating.configure(SourceSelectionCriteria=SELECT_KMS)
    replicating.principal = role(["s3:*"])
    own = EncryptionHeaders(server_side_encryption="aws:kms", ssekms_key_id=KEY_ID)
    await replicating.s3.put("a", b"x", encryption=own)
    await replicating.replication.run()
    assert await replicating.status() == "FAILED"


async def test_what_cannot_be_done_now_is_done_later(
    replicating: Replicating, monkeypatch: pytest.MonkeyPatch
) -> None:
    await replicating.configure()
    first = await replicating.s3.put("a", b"1")
    second = await replicating.s3.put("a", b"2")
    put_object = replicating.s3.store.put_object

    async def busy(*_: Any, **__: Any) -> None:
        raise BusyError

    monkeypatch.setattr(replicating.s3.store, "put_object", busy)
    await replicating.replication.run()
    assert (await replicating.status(), replicating.waiting) == ("PENDING", 2)
    monkeypatch.setattr(replicating.s3.store, "put_object", put_object)
    await replicating.replication.run()
    assert replicating.waiting == 2
    replicating.s3.clock.advance(3)
    await replicating.replication.run()
    assert [row.version_id for row in replicating.rows("target")] == [
        second["VersionId"],
        first["VersionId"],
    ]
    assert await replicating.status() == "COMPLETED"


async def test_what_is_gone_is_not_sent(replicating: Replicating) -> None:
    await replicating.configure()
    put = await replicating.s3.put("a", b"x")
    await replicating.s3.call("DeleteObject", key="a", version_id=put["VersionId"])
    await replicating.s3.put("b", b"x")
    await replicating.s3.store.update_bucket(
        "bucket", lambda old: {name: value for name, value in old.items() if name != "replication"}
    )
    await replicating.replication.run()
    assert replicating.rows("target") == []
    assert replicating.waiting == 0


async def test_sending_twice_is_sending_once(replicating: Replicating) -> None:
    await replicating.configure()
    await replicating.s3.put("a", b"x")
    [queued] = replicating.s3.store.outbox.due(KIND, now_ms=0, limit=9)
    await replicating.replication.run()
    await replicating.s3.store.outbox.add([queued.message])
    await replicating.replication.run()
    assert len(replicating.rows("target")) == 1


async def test_a_failure_is_told(replicating: Replicating) -> None:
    await replicating.configure()
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
    entry = {
        "Id": "q",
        "QueueArn": queue,
        "Events": ["s3:Replication:OperationFailedReplication"],
    }
    await replicating.s3.store.update_bucket(
        "bucket", lambda old: {**old, "notification": {"QueueConfigurations": [entry]}}
    )
    replicating.s3.bucket = replicating.s3.store.bucket("bucket")
    replicating.principal = None
    await replicating.s3.put("a", b"x")
    await replicating.replication.run()
    [queued] = replicating.s3.store.outbox.due("notification", now_ms=0, limit=9)
    record = queued.message.body["record"]
    assert record["eventName"] == "Replication:OperationFailedReplication"
