"""Rules that write, delete, tag and lock."""

from datetime import UTC, datetime

from asking import LOCKED_FOR, Asking
from hypothesis import strategies as st
from hypothesis.stateful import rule
from reference import NULL
from values import (
    BODIES,
    CONDITIONS,
    ENCRYPTIONS,
    HOLDS,
    KEYS,
    LOCKS,
    METADATA,
    NAMES,
    PICKS,
    TAGS,
    content,
    customer_key,
    without_nones,
)


class Writes(Asking):
    @rule(name=NAMES, status=st.sampled_from(["Enabled", "Suspended"]))
    def set_versioning(self, name: str, status: str) -> None:
        """Only one bucket may change: versions of locked objects cannot be suspended."""
        if name == "versioned":
            self.version_objects(status)
        elif name == "locked" and status == "Suspended":
            self.ask(
                "InvalidBucketState",
                "put_bucket_versioning",
                Bucket=self.buckets[name].name,
                VersioningConfiguration={"Status": status},
            )

    @rule(
        name=NAMES,
        key=KEYS,
        body=BODIES,
        metadata=METADATA,
        tags=TAGS,
        sse=ENCRYPTIONS,
        condition=CONDITIONS,
        lock=LOCKS,
    )
    def put(
        self,
        name: str,
        key: str,
        body: tuple[str, int],
        metadata: dict[str, str],
        tags: dict[str, str],
        sse: str,
        condition: str,
        lock: str,
    ) -> None:
        bucket = self.buckets[name]
        headers, refusal = self.write_condition(bucket, key, condition)
        new = self.new_version(bucket, metadata, tags, sse, lock)
        self.write(bucket, key, content(body), new, refusal, **headers)

    @rule(
        source=NAMES,
        pick=PICKS,
        goal=NAMES,
        to=KEYS,
        replace=st.booleans(),
        metadata=METADATA,
        sse=ENCRYPTIONS,
        condition=CONDITIONS,
    )
    def copy(
        self,
        source: str,
        pick: int,
        goal: str,
        to: str,
        replace: bool,
        metadata: dict[str, str],
        sse: str,
        condition: str,
    ) -> None:
        origin, bucket = self.buckets[source], self.buckets[goal]
        key, version_id = self.place(origin, pick)
        old = origin.version(key, version_id)
        refusal = origin.read_refusal(key, version_id).replace("MethodNotAllowed", "InvalidRequest")
        headers: dict[str, str] = {}
        if not refusal:
            newest = origin.keys[key][0] is old
            changed = replace or sse or old.sse != "AES256"
            if (origin, key) == (bucket, to) and newest and not changed:
                refusal = "InvalidRequest"
            else:
                headers, refusal = self.write_condition(bucket, to, condition)
        new = self.new_version(bucket, metadata if replace else {}, {}, sse, "")
        members = self.described(new) if sse else {"Metadata": new.metadata}
        answer = self.ask(
            refusal,
            "copy_object",
            Bucket=bucket.name,
            Key=to,
            CopySource=without_nones(Bucket=origin.name, Key=key, VersionId=version_id),
            MetadataDirective="REPLACE" if replace else "COPY",
            **headers,
            **members,
            **customer_key(old.customer if old else "", "CopySource"),
        )
        if answer is not None:
            new.data, new.tags = old.data, old.tags
            new.metadata = metadata if replace else old.metadata
            new.etag = answer["CopyObjectResult"]["ETag"]
            self.check_etag(new)
            self.check_encryption(new, answer)
            assert answer.get("CopySourceVersionId", NULL) == old.version_id
            bucket.put(to, new, answer.get("VersionId"))

    @rule(name=NAMES, key=KEYS, condition=st.sampled_from(["", "", "match", "mismatch"]))
    def delete(self, name: str, key: str, condition: str) -> None:
        bucket = self.buckets[name]
        newest = bucket.newest(key)
        headers, refusal = {}, ""
        if condition and (newest is not None or not bucket.keys.get(key)):
            headers, refusal = self.write_condition(bucket, key, condition)
        answer = self.ask(refusal, "delete_object", Bucket=bucket.name, Key=key, **headers)
        if answer is not None:
            assert answer.get("DeleteMarker", False) == bool(bucket.status)
            bucket.delete(key, answer.get("VersionId"))

    @rule(name=NAMES, pick=PICKS, bypass=st.booleans())
    def delete_version(self, name: str, pick: int, bypass: bool) -> None:
        bucket = self.buckets[name]
        key, version_id = self.place(bucket, pick)
        version_id = version_id or "null"
        doomed = bucket.version(key, version_id)
        refusal = "AccessDenied" if doomed and doomed.locked(bypass=bypass) else ""
        more = {"BypassGovernanceRetention": True} if bypass and bucket.lock else {}
        answer = self.ask(
            refusal, "delete_object", Bucket=bucket.name, Key=key, VersionId=version_id, **more
        )
        if answer is not None:
            assert answer.get("DeleteMarker", False) == bool(doomed and doomed.marker)
            if doomed is not None:
                bucket.delete_version(key, version_id)

    @rule(name=NAMES, keys=st.lists(KEYS, min_size=1, max_size=3, unique=True))
    def delete_many(self, name: str, keys: list[str]) -> None:
        bucket = self.buckets[name]
        answer = self.s3.delete_objects(
            Bucket=bucket.name, Delete={"Objects": [{"Key": key} for key in keys]}
        )
        assert "Errors" not in answer
        deleted = {one["Key"]: one for one in answer["Deleted"]}
        assert sorted(deleted) == sorted(keys)
        for key in keys:
            bucket.delete(key, deleted[key].get("DeleteMarkerVersionId"))

    @rule(name=NAMES, picks=st.lists(PICKS, min_size=1, max_size=3), bypass=st.booleans())
    def delete_versions(self, name: str, picks: list[int], bypass: bool) -> None:
        bucket = self.buckets[name]
        places = {self.place(bucket, pick) for pick in picks}
        named = sorted((key, version_id or "null") for key, version_id in places)
        named = sorted(set(named))
        more = {"BypassGovernanceRetention": True} if bypass and bucket.lock else {}
        objects = [{"Key": key, "VersionId": version_id} for key, version_id in named]
        answer = self.s3.delete_objects(Bucket=bucket.name, Delete={"Objects": objects}, **more)
        refused = {(one["Key"], one["VersionId"]): one["Code"] for one in answer.get("Errors", [])}
        deleted = [(one["Key"], one["VersionId"]) for one in answer.get("Deleted", [])]
        assert sorted([*refused, *deleted]) == named
        for key, version_id in named:
            doomed = bucket.version(key, version_id)
            locked = doomed is not None and doomed.locked(bypass=bypass)
            assert refused.get((key, version_id), "") == ("AccessDenied" if locked else "")
            if doomed is not None and not locked:
                bucket.delete_version(key, version_id)

    @rule(name=NAMES, pick=PICKS, tags=TAGS, remove=st.booleans())
    def tag(self, name: str, pick: int, tags: dict[str, str], remove: bool) -> None:
        bucket = self.buckets[name]
        key, version_id = self.place(bucket, pick)
        refusal = bucket.read_refusal(key, version_id)
        if bucket.version(key, version_id) is not None and refusal == "NoSuchKey":
            refusal = "MethodNotAllowed"
        place = without_nones(Bucket=bucket.name, Key=key, VersionId=version_id)
        if remove:
            answer = self.ask(refusal, "delete_object_tagging", **place)
        else:
            given = {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
            answer = self.ask(refusal, "put_object_tagging", Tagging=given, **place)
        if answer is not None:
            tagged = bucket.version(key, version_id)
            tagged.tags = {} if remove else tags
            assert answer.get("VersionId") == bucket.shown(tagged)

    @rule(pick=PICKS, hold=HOLDS)
    def hold(self, pick: int, hold: str) -> None:
        bucket = self.buckets["locked"]
        key, version_id = self.place(bucket, pick)
        if bucket.read_refusal(key, version_id):
            return
        place = without_nones(Bucket=bucket.name, Key=key, VersionId=version_id)
        self.s3.put_object_legal_hold(LegalHold={"Status": hold}, **place)
        bucket.version(key, version_id).hold = hold
        assert self.s3.get_object_legal_hold(**place)["LegalHold"]["Status"] == hold

    @rule(pick=PICKS, mode=LOCKS, bypass=st.booleans())
    def retain(self, pick: int, mode: str, bypass: bool) -> None:
        """Sets another mode, for longer than any before, or none at all."""
        bucket = self.buckets["locked"]
        key, version_id = self.place(bucket, pick)
        if bucket.read_refusal(key, version_id):
            return
        version = bucket.version(key, version_id)
        retention = {"Mode": mode, "RetainUntilDate": datetime.now(UTC) + LOCKED_FOR}
        free = not version.mode or (version.mode == "GOVERNANCE" and bypass)
        refusal = "" if free or mode == version.mode else "AccessDenied"
        answer = self.ask(
            refusal,
            "put_object_retention",
            Bucket=bucket.name,
            Key=key,
            VersionId=version.version_id,
            Retention=retention if mode else {},
            BypassGovernanceRetention=bypass,
        )
        if answer is not None:
            version.mode = mode
