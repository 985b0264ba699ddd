"""What all rules share."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import md5
from itertools import count
from typing import Any

from botocore.exceptions import ClientError
from hypothesis.stateful import RuleBasedStateMachine, initialize
from reference import Bucket, Version, grouped
from values import BUCKETS, customer_key, encryption, quoted, without_nones

# Errors of HEAD have no body, so boto3 knows their status only.
STATUSES = {
    "NoSuchKey": "404",
    "NoSuchVersion": "404",
    "MethodNotAllowed": "405",
    "PreconditionFailed": "412",
    "NotModified": "304",
    "InvalidRange": "416",
    "InvalidPartNumber": "416",
    "InvalidRequest": "400",
    "AccessDenied": "403",
}
LOCKED_FOR = timedelta(days=1)
NUMBERS = count(1)
ABSENT = "absent"
FIRST = (("a/b", 10, ""), ("a/c", 200, "aws:kms"), ("b", 1, "customer A"))
NOTHING: Mapping[str, str] = {}


class Asking(RuleBasedStateMachine):
    """Asks the server, and says what a version is to be and how answers tell of it."""

    def __init__(self, s3: Any) -> None:
        super().__init__()
        self.s3 = s3
        self.buckets: dict[str, Any] = {}

    @initialize()
    def make_buckets(self) -> None:
        """Three buckets, none of them empty."""
        number = next(NUMBERS)
        for kind in BUCKETS:
            name = f"{kind}-{number}"
            self.s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=kind == "locked")
            bucket = self.buckets[kind] = Bucket(name, lock=kind == "locked")
            bucket.status = "Enabled" if bucket.lock else ""
            for key, size, sse in FIRST:
                new = self.new_version(bucket, {"m": key[:1]}, {"t": key[-1:]}, sse)
                self.write(bucket, key, bytes(range(100)) * size, new)
        self.version_objects("Enabled")
        bucket = self.buckets["versioned"]
        for key in ("a/b", "b", "ü/b"):
            self.write(bucket, key, b"second", self.new_version(bucket))
        bucket.delete("b", self.s3.delete_object(Bucket=bucket.name, Key="b")["VersionId"])

    def version_objects(self, status: str) -> None:
        bucket = self.buckets["versioned"]
        self.s3.put_bucket_versioning(
            Bucket=bucket.name, VersioningConfiguration={"Status": status}
        )
        bucket.status = status
        assert self.s3.get_bucket_versioning(Bucket=bucket.name)["Status"] == status

    def write(
        self, bucket: Bucket, key: str, data: bytes, new: Version, refusal: str = "", **more: str
    ) -> None:
        """PutObject of a version that is described but for its data."""
        answer = self.ask(
            refusal,
            "put_object",
            Bucket=bucket.name,
            Key=key,
            Body=data,
            **more,
            **self.described(new),
        )
        if answer is not None:
            new.data, new.etag = data, answer["ETag"]
            self.check_etag(new)
            self.check_encryption(new, answer)
            bucket.put(key, new, answer.get("VersionId"))

    def teardown(self) -> None:
        """Everything must be there in the end."""
        for bucket in self.buckets.values():
            self.check_versions(bucket, "", size=1000)
            for key, version, _ in bucket.all_versions():
                if not version.marker:
                    answer = self.s3.get_object(
                        Bucket=bucket.name,
                        Key=key,
                        VersionId=version.version_id,
                        **customer_key(version.customer),
                    )
                    self.check_read(bucket, version, version.data, answer)

    def ask(self, refusal: str, operation: str, **members: Any) -> Any:
        """The answer of a call, None if it is refused as it must be."""
        try:
            answer = getattr(self.s3, operation)(**members)
        except ClientError as error:
            wanted = STATUSES.get(refusal) if operation == "head_object" else refusal
            if refusal == "NotModified":
                wanted = "304"
            told = error.response["Error"]["Code"]
            if told != wanted:
                raise AssertionError(f"{operation}: {told}, not {wanted or 'a success'}") from error
            return None
        assert not refusal, f"{operation} was to be refused: {refusal}"
        return answer

    def place(self, bucket: Bucket, pick: int) -> tuple[str, str | None]:
        """A key and a version id, or None for the newest: of what is there, or now and then not."""
        there = list(bucket.all_versions())
        places = [(key, version.version_id) for key, version, _ in there]
        places += [(key, None) for key, _, latest in there if latest]
        places = [*places * 3, (ABSENT, None)]
        if bucket.status and there:
            places += [(ABSENT, there[0][1].version_id), (there[-1][0], bucket.gone or None)]
        return places[pick % len(places)]

    def new_version(
        self,
        bucket: Bucket,
        metadata: Mapping[str, str] = NOTHING,
        tags: Mapping[str, str] = NOTHING,
        sse: str = "",
        lock: str = "",
    ) -> Version:
        new = Version("", metadata=metadata, tags=tags)
        new.sse = "" if sse.startswith("customer") else sse or "AES256"
        new.customer = sse[-1] if sse.startswith("customer") else ""
        new.mode = lock if bucket.lock else ""
        return new

    def described(self, new: Any) -> dict[str, Any]:
        """The members that make a version what it is to be."""
        sse = f"customer {new.customer}" if new.customer else new.sse
        members = {"Metadata": new.metadata, **encryption(sse)}
        if new.tags:
            members["Tagging"] = "&".join(
                f"{quoted(name)}={quoted(value)}" for name, value in new.tags.items()
            )
        if new.mode:
            members["ObjectLockMode"] = new.mode
            members["ObjectLockRetainUntilDate"] = datetime.now(UTC) + LOCKED_FOR
        return members

    def write_condition(self, bucket: Any, key: str, condition: str) -> tuple[dict[str, str], str]:
        """The headers of a condition, and why the write is refused if it is."""
        if condition == "":
            return {}, ""
        if condition == "none":
            return {"IfNoneMatch": "*"}, bucket.write_refusal(key, if_match=None, if_none=True)
        newest = bucket.newest(key)
        etag = newest.etag if newest and condition == "match" else '"0"'
        return {"IfMatch": etag}, bucket.write_refusal(key, if_match=etag, if_none=False)

    def check_etag(self, version: Any) -> None:
        """An MD5 exactly where S3 promises one."""
        assert (version.etag == f'"{md5(version.data).hexdigest()}"') == (version.sse == "AES256")

    def check_encryption(self, version: Any, answer: Mapping[str, Any]) -> None:
        assert answer.get("ServerSideEncryption", "") == version.sse
        assert ("SSEKMSKeyId" in answer) == (version.sse == "aws:kms")
        assert answer.get("SSECustomerAlgorithm", "") == ("AES256" if version.customer else "")

    def check_read(
        self,
        bucket: Bucket,
        version: Version,
        data: bytes,
        answer: Any,
        *,
        head: bool = False,
        ranged: bool = False,
    ) -> None:
        if not head:
            assert answer["Body"].read() == data
        assert answer["ContentLength"] == len(data)
        assert ("ContentRange" in answer) == ranged
        assert answer["ETag"] == version.etag
        assert answer["Metadata"] == version.metadata
        assert answer.get("VersionId") == bucket.shown(version)
        assert answer.get("TagCount", 0) == len(version.tags)
        assert answer.get("ObjectLockMode", "") == version.mode
        assert answer.get("ObjectLockLegalHoldStatus", "OFF") == version.hold
        self.check_encryption(version, answer)

    def check_versions(
        self, bucket: Bucket, prefix: str, delimiter: str = "", *, size: int
    ) -> None:
        """List all versions, in pages of that size.

        boto3 tells versions, delete markers and common prefixes apart, so the order among them is
        not seen.
        """
        found: dict[str, list[Any]] = {"Versions": [], "DeleteMarkers": [], "CommonPrefixes": []}
        asked: dict[str, Any] = {"Bucket": bucket.name, "Prefix": prefix, "Delimiter": delimiter}
        asked["MaxKeys"] = size
        while True:
            page = self.s3.list_object_versions(**asked)
            for kind, entries in found.items():
                entries += page.get(kind, [])
            if not page["IsTruncated"]:
                break
            assert sum(len(page.get(kind, [])) for kind in found) == size
            asked["KeyMarker"] = page["NextKeyMarker"]
            asked.pop("VersionIdMarker", None)
            asked.update(without_nones(VersionIdMarker=page.get("NextVersionIdMarker")))
        entries = grouped(sorted(bucket.keys, key=str.encode), prefix, delimiter, "")
        shown = {key for kind, key in entries if kind == "key"}
        for kind in ("Versions", "DeleteMarkers"):
            assert [(one["Key"], one["VersionId"], one["IsLatest"]) for one in found[kind]] == [
                (key, version.version_id, latest)
                for key, version, latest in bucket.all_versions()
                if key in shown and version.marker == (kind == "DeleteMarkers")
            ]
        prefixes = [one["Prefix"] for one in found["CommonPrefixes"]]
        assert prefixes == [name for kind, name in entries if kind == "prefix"]
