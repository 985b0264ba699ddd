"""Rules of multipart uploads."""

from typing import Any

from asking import Asking
from hypothesis import strategies as st
from hypothesis.stateful import rule
from reference import PART_BYTES_MIN, Upload
from values import (
    BODIES,
    CONDITIONS,
    ENCRYPTIONS,
    KEYS,
    METADATA,
    NAMES,
    PARTS,
    PICKS,
    TAGS,
    content,
    customer_key,
)


class Uploads(Asking):
    @rule(name=NAMES, key=KEYS, metadata=METADATA, tags=TAGS, sse=ENCRYPTIONS)
    def begin(
        self, name: str, key: str, metadata: dict[str, str], tags: dict[str, str], sse: str
    ) -> None:
        bucket = self.buckets[name]
        new = self.new_version(bucket, metadata, tags, sse, "")
        answer = self.s3.create_multipart_upload(Bucket=bucket.name, Key=key, **self.described(new))
        self.check_encryption(new, answer)
        bucket.uploads[answer["UploadId"]] = Upload(key, new)

    def upload_of(self, name: str, pick: int) -> tuple[Any, str, Any]:
        """A bucket, and an upload of its if it has any."""
        bucket = self.buckets[name]
        if not bucket.uploads:
            return bucket, "", None
        upload_id = sorted(bucket.uploads)[pick % len(bucket.uploads)]
        return bucket, upload_id, bucket.uploads[upload_id]

    @rule(
        name=NAMES,
        pick=PICKS,
        number=st.integers(1, 3),
        body=PARTS,
    )
    def upload_part(self, name: str, pick: int, number: int, body: tuple[str, int]) -> None:
        bucket, upload_id, upload = self.upload_of(name, pick)
        if upload is None:
            return
        answer = self.s3.upload_part(
            Bucket=bucket.name,
            Key=upload.key,
            UploadId=upload_id,
            PartNumber=number,
            Body=content(body),
            **customer_key(upload.new.customer),
        )
        upload.parts[number] = (content(body), answer["ETag"])

    @rule(
        name=NAMES,
        pick=PICKS,
        number=st.integers(1, 3),
        source=NAMES,
        key=KEYS,
        whole=st.booleans(),
    )
    def copy_part(
        self, name: str, pick: int, number: int, source: str, key: str, whole: bool
    ) -> None:
        bucket, upload_id, upload = self.upload_of(name, pick)
        origin = self.buckets[source]
        old = origin.newest(key)
        if upload is None or old is None or not old.data:
            return
        data = old.data if whole else old.data[: len(old.data) // 2 + 1]
        answer = self.s3.upload_part_copy(
            Bucket=bucket.name,
            Key=upload.key,
            UploadId=upload_id,
            PartNumber=number,
            CopySource={"Bucket": origin.name, "Key": key},
            **({} if whole else {"CopySourceRange": f"bytes=0-{len(data) - 1}"}),
            **customer_key(upload.new.customer),
            **customer_key(old.customer, "CopySource"),
        )
        upload.parts[number] = (data, answer["CopyPartResult"]["ETag"])

    @rule(name=NAMES, pick=PICKS, numbers=st.lists(st.integers(1, 3), min_size=1, max_size=3))
    def complete(self, name: str, pick: int, numbers: list[int]) -> None:
        bucket, upload_id, upload = self.upload_of(name, pick)
        if upload is None:
            return
        refusal = bucket.completion_refusal(upload_id, numbers)
        if refusal == "InvalidPartOrder" and not set(numbers) <= set(upload.parts):
            return
        parts = [
            {"PartNumber": number, "ETag": upload.parts.get(number, (b"", '"0"'))[1]}
            for number in numbers
        ]
        answer = self.ask(
            refusal,
            "complete_multipart_upload",
            Bucket=bucket.name,
            Key=upload.key,
            UploadId=upload_id,
            MultipartUpload={"Parts": parts},
            **customer_key(upload.new.customer),
        )
        if answer is not None:
            bucket.complete(upload_id, numbers, answer["ETag"], answer.get("VersionId"))

    @rule(
        name=NAMES,
        key=KEYS,
        sse=ENCRYPTIONS,
        tags=TAGS,
        large=st.booleans(),
        body=BODIES,
        condition=CONDITIONS,
    )
    def upload(
        self,
        name: str,
        key: str,
        sse: str,
        tags: dict[str, str],
        large: bool,
        body: tuple[str, int],
        condition: str,
    ) -> None:
        """An upload from its begin to its end, which is asked for twice."""
        bucket = self.buckets[name]
        new = self.new_version(bucket, tags=tags, sse=sse)
        begun = self.s3.create_multipart_upload(Bucket=bucket.name, Key=key, **self.described(new))
        place = {"Bucket": bucket.name, "Key": key, "UploadId": begun["UploadId"]}
        upload = bucket.uploads[begun["UploadId"]] = Upload(key, new)
        bodies = [("D", PART_BYTES_MIN), body] if large else [body]
        secret = customer_key(new.customer)
        for number, one in enumerate(bodies, 1):
            data = content(one)
            part = self.s3.upload_part(**place, **secret, PartNumber=number, Body=data)
            upload.parts[number] = (data, part["ETag"])
        parts = [{"PartNumber": one, "ETag": etag} for one, (_, etag) in upload.parts.items()]
        headers, refusal = self.write_condition(bucket, key, condition)
        end = {**place, **secret, "MultipartUpload": {"Parts": parts}}
        answer = self.ask(refusal, "complete_multipart_upload", **end, **headers)
        if answer is not None:
            again = self.s3.complete_multipart_upload(**end)
            assert again["ETag"] == answer["ETag"]
            assert again.get("VersionId") == answer.get("VersionId")
            bucket.complete(
                begun["UploadId"], [*upload.parts], answer["ETag"], answer.get("VersionId")
            )

    @rule(name=NAMES, pick=PICKS)
    def abort(self, name: str, pick: int) -> None:
        bucket, upload_id, upload = self.upload_of(name, pick)
        if upload is not None:
            place = {"Bucket": bucket.name, "Key": upload.key, "UploadId": upload_id}
            self.s3.abort_multipart_upload(**place)
            del bucket.uploads[upload_id]
            self.ask("NoSuchUpload", "list_parts", **place)

    @rule(name=NAMES, pick=PICKS)
    def list_parts(self, name: str, pick: int) -> None:
        bucket, upload_id, upload = self.upload_of(name, pick)
        if upload is not None:
            listed = self.s3.list_parts(Bucket=bucket.name, Key=upload.key, UploadId=upload_id)
            assert [
                (part["PartNumber"], part["Size"], part["ETag"]) for part in listed.get("Parts", [])
            ] == [
                (number, len(data), etag) for number, (data, etag) in sorted(upload.parts.items())
            ]
