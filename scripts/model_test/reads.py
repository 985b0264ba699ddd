"""Rules that read and list."""

from collections.abc import Iterator
from typing import Any

from asking import Asking
from hypothesis import strategies as st
from hypothesis.stateful import rule
from reference import grouped, selected
from values import (
    CUSTOMERS,
    DELIMITERS,
    KEYS,
    NAMES,
    PICKS,
    PREFIXES,
    RANGES,
    READ_CONDITIONS,
    RIGHT,
    customer_key,
    key_refusal,
    range_header,
    read_condition,
    without_nones,
)


class Reads(Asking):
    @rule(
        name=NAMES,
        pick=PICKS,
        head=st.booleans(),
        condition=READ_CONDITIONS,
        customer=CUSTOMERS,
    )
    def read(self, name: str, pick: int, head: bool, condition: str, customer: str) -> None:
        bucket = self.buckets[name]
        key, version_id = self.place(bucket, pick)
        members = without_nones(Bucket=bucket.name, Key=key, VersionId=version_id)
        refusal = bucket.read_refusal(key, version_id)
        version = None if refusal else bucket.version(key, version_id)
        if version is not None:
            customer = version.customer if customer == RIGHT else customer
            members.update(customer_key(customer))
            refusal = key_refusal(version, customer)
            if not refusal and condition:
                header, refusal = read_condition(condition, version.etag)
                members.update(header)
        answer = self.ask(refusal, "head_object" if head else "get_object", **members)
        if answer is not None:
            self.check_read(bucket, version, version.data, answer, head=head)

    @rule(name=NAMES, pick=PICKS, head=st.booleans(), part=RANGES)
    def read_range(
        self, name: str, pick: int, head: bool, part: tuple[int | None, int | None]
    ) -> None:
        bucket = self.buckets[name]
        key, version_id = self.place(bucket, pick)
        if bucket.read_refusal(key, version_id):
            return
        version = bucket.version(key, version_id)
        data = selected(version.data, *part)
        answer = self.ask(
            "InvalidRange" if data is None else "",
            "head_object" if head else "get_object",
            Range=range_header(*part),
            **without_nones(Bucket=bucket.name, Key=key, VersionId=version_id),
            **customer_key(version.customer),
        )
        if answer is not None:
            self.check_read(bucket, version, data, answer, head=head, ranged=True)

    @rule(name=NAMES, pick=PICKS, head=st.booleans(), number=st.integers(1, 3))
    def read_part(self, name: str, pick: int, head: bool, number: int) -> None:
        bucket = self.buckets[name]
        key, version_id = self.place(bucket, pick)
        if bucket.read_refusal(key, version_id):
            return
        version = bucket.version(key, version_id)
        data = version.part(number)
        answer = self.ask(
            "InvalidPartNumber" if data is None else "",
            "head_object" if head else "get_object",
            PartNumber=number,
            **without_nones(Bucket=bucket.name, Key=key, VersionId=version_id),
            **customer_key(version.customer),
        )
        if answer is not None:
            assert answer.get("PartsCount", 0) == len(version.parts)
            self.check_read(bucket, version, data, answer, head=head, ranged=bool(data))

    @rule(name=NAMES, pick=PICKS)
    def read_tags(self, name: str, pick: int) -> None:
        bucket = self.buckets[name]
        key, version_id = self.place(bucket, pick)
        if bucket.read_refusal(key, version_id):
            return
        answer = self.s3.get_object_tagging(
            **without_nones(Bucket=bucket.name, Key=key, VersionId=version_id)
        )
        tags = {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}
        assert tags == bucket.version(key, version_id).tags

    @rule(
        name=NAMES,
        prefix=PREFIXES,
        delimiter=DELIMITERS,
        after=st.one_of(st.just(""), KEYS),
        size=st.integers(1, 4),
        old=st.booleans(),
    )
    def list_objects(
        self, name: str, prefix: str, delimiter: str, after: str, size: int, old: bool
    ) -> None:
        bucket = self.buckets[name]
        asked = {"Bucket": bucket.name, "Prefix": prefix, "Delimiter": delimiter, "MaxKeys": size}
        found = []
        pages = self.pages_of_old(asked, after) if old else self.pages(asked, after)
        for page in pages:
            contents, prefixes = page.get("Contents", []), page.get("CommonPrefixes", [])
            shown = [("key", one["Key"]) for one in contents]
            shown += [("prefix", one["Prefix"]) for one in prefixes]
            assert len(shown) == size or not page["IsTruncated"]
            found += sorted(shown, key=lambda entry: entry[1].encode())
            for one in contents:
                version = bucket.newest(one["Key"])
                assert (one["ETag"], one["Size"]) == (version.etag, len(version.data))
        assert found == grouped(bucket.objects(), prefix, delimiter, after)

    def pages(self, asked: dict[str, Any], after: str) -> Iterator[Any]:
        page = self.s3.list_objects_v2(**asked, StartAfter=after)
        yield page
        while page["IsTruncated"]:
            token = page["NextContinuationToken"]
            page = self.s3.list_objects_v2(**asked, ContinuationToken=token)
            yield page

    def pages_of_old(self, asked: dict[str, Any], after: str) -> Iterator[Any]:
        page = self.s3.list_objects(**asked, Marker=after)
        yield page
        while page["IsTruncated"]:
            marker = page.get("NextMarker") or page["Contents"][-1]["Key"]
            page = self.s3.list_objects(**asked, Marker=marker)
            yield page

    @rule(name=NAMES, prefix=PREFIXES, delimiter=DELIMITERS, size=st.integers(1, 4))
    def list_versions(self, name: str, prefix: str, delimiter: str, size: int) -> None:
        self.check_versions(self.buckets[name], prefix, delimiter, size=size)

    @rule(name=NAMES, prefix=PREFIXES, size=st.integers(1, 3))
    def list_uploads(self, name: str, prefix: str, size: int) -> None:
        bucket = self.buckets[name]
        found: list[tuple[str, str]] = []
        asked = {"Bucket": bucket.name, "Prefix": prefix, "MaxUploads": size}
        truncated = True
        while truncated:
            page = self.s3.list_multipart_uploads(**asked)
            found += [(one["Key"], one["UploadId"]) for one in page.get("Uploads", [])]
            truncated = page["IsTruncated"]
            asked["KeyMarker"] = page.get("NextKeyMarker", "")
            asked["UploadIdMarker"] = page.get("NextUploadIdMarker", "")
        wanted = [
            (upload.key, upload_id)
            for upload_id, upload in bucket.uploads.items()
            if upload.key.startswith(prefix)
        ]
        assert sorted(found) == sorted(wanted)
        keys = [key for key, _ in found]
        assert keys == sorted(keys, key=str.encode)
