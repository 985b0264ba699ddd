"""Versions, locks, tags and conditions as boto3 sends and reads them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

LOCKED = "versions-and-locks"
PLAIN = "no-versions"
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)


@pytest.fixture(scope="module")
def s3(server: Any) -> Any:
    client = server.client("s3")
    client.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
    client.create_bucket(Bucket=PLAIN)
    yield client
    client.close()


def refused(call: Any, **members: Any) -> tuple[int, str, dict[str, str]]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    meta = caught.value.response["ResponseMetadata"]
    return meta["HTTPStatusCode"], caught.value.response["Error"]["Code"], meta["HTTPHeaders"]


def test_versions_and_delete_markers(s3: Any) -> None:
    name = {"Bucket": LOCKED, "Key": "a b/ü"}
    assert s3.get_bucket_versioning(Bucket=LOCKED)["Status"] == "Enabled"
    first = s3.put_object(**name, Body=b"first")["VersionId"]
    second = s3.put_object(**name, Body=b"second")["VersionId"]
    assert s3.get_object(**name, VersionId=first)["Body"].read() == b"first"
    marker = s3.delete_object(**name)
    assert marker["DeleteMarker"] is True
    status, code, headers = refused(s3.get_object, **name)
    assert (status, code) == (404, "NoSuchKey")
    assert headers["x-amz-delete-marker"] == "true"
    assert headers["x-amz-version-id"] == marker["VersionId"]
    status, code, headers = refused(s3.get_object, **name, VersionId=marker["VersionId"])
    assert (status, code, headers["allow"]) == (405, "MethodNotAllowed", "DELETE")
    assert refused(s3.head_object, **name, VersionId=marker["VersionId"])[0] == 405
    listed = s3.list_object_versions(Bucket=LOCKED, Prefix="a b/")
    assert [(v["VersionId"], v["IsLatest"]) for v in listed["Versions"]] == [
        (second, False),
        (first, False),
    ]
    assert [(m["VersionId"], m["IsLatest"]) for m in listed["DeleteMarkers"]] == [
        (marker["VersionId"], True)
    ]
    entries = [{"Key": "a b/ü", "VersionId": v} for v in (first, marker["VersionId"])]
    deleted = s3.delete_objects(Bucket=LOCKED, Delete={"Objects": entries})["Deleted"]
    assert deleted == [
        {"Key": "a b/ü", "VersionId": first},
        {
            "Key": "a b/ü",
            "VersionId": marker["VersionId"],
            "DeleteMarker": True,
            "DeleteMarkerVersionId": marker["VersionId"],
        },
    ]
    assert s3.get_object(**name)["Body"].read() == b"second"


def test_retention_and_legal_hold(s3: Any) -> None:
    name = {"Bucket": LOCKED, "Key": "locked"}
    put = s3.put_object(
        **name,
        Body=b"kept",
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=SOON,
        ObjectLockLegalHoldStatus="ON",
    )
    head = s3.head_object(**name)
    assert head["ObjectLockMode"] == "GOVERNANCE"
    assert head["ObjectLockRetainUntilDate"] == SOON
    assert head["ObjectLockLegalHoldStatus"] == "ON"
    later = {"Mode": "GOVERNANCE", "RetainUntilDate": SOON + timedelta(days=1)}
    s3.put_object_retention(**name, Retention=later)
    assert s3.get_object_retention(**name)["Retention"] == later
    version = {**name, "VersionId": put["VersionId"]}
    bypass = {"BypassGovernanceRetention": True}
    assert refused(s3.delete_object, **version, **bypass)[:2] == (403, "AccessDenied")
    s3.put_object_legal_hold(**name, LegalHold={"Status": "OFF"})
    assert refused(s3.delete_object, **version)[:2] == (403, "AccessDenied")
    s3.delete_object(**version, **bypass)
    default = {"Mode": "COMPLIANCE", "Days": 1}
    s3.put_object_lock_configuration(
        Bucket=LOCKED,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": default},
        },
    )
    got = s3.get_object_lock_configuration(Bucket=LOCKED)["ObjectLockConfiguration"]
    assert got["Rule"] == {"DefaultRetention": default}


def test_tags(s3: Any) -> None:
    name = {"Bucket": PLAIN, "Key": "tagged"}
    s3.put_object(**name, Body=b"x", Tagging="team=blue&tier=")
    assert s3.get_object(**name)["TagCount"] == 2
    tag_set = [{"Key": "ü", "Value": "a b"}]
    s3.put_object_tagging(**name, Tagging={"TagSet": tag_set})
    assert s3.get_object_tagging(**name)["TagSet"] == tag_set
    s3.put_bucket_tagging(Bucket=PLAIN, Tagging={"TagSet": tag_set})
    assert s3.get_bucket_tagging(Bucket=PLAIN)["TagSet"] == tag_set
    s3.delete_bucket_tagging(Bucket=PLAIN)
    assert refused(s3.get_bucket_tagging, Bucket=PLAIN)[:2] == (404, "NoSuchTagSet")


def test_conditional_deletes(s3: Any) -> None:
    name = {"Bucket": PLAIN, "Key": "conditional"}
    assert refused(s3.delete_object, **name, IfMatch="*")[:2] == (404, "NoSuchKey")
    etag = s3.put_object(**name, Body=b"data")["ETag"]
    modified = s3.head_object(**name)["LastModified"]
    for wrong in (
        {"IfMatch": '"other"'},
        {"IfMatchSize": 5},
        {"IfMatchLastModifiedTime": modified - timedelta(seconds=1)},
    ):
        assert refused(s3.delete_object, **name, **wrong)[:2] == (412, "PreconditionFailed")
    entry = {"Key": "conditional", "ETag": etag, "Size": 4, "LastModifiedTime": modified}
    other = {"Key": "conditional", "ETag": '"other"'}
    errors = s3.delete_objects(Bucket=PLAIN, Delete={"Objects": [other]})["Errors"]
    assert [error["Code"] for error in errors] == ["PreconditionFailed"]
    s3.delete_objects(Bucket=PLAIN, Delete={"Objects": [entry], "Quiet": True})
    assert refused(s3.head_object, **name)[0] == 404


def test_attributes_of_parts(s3: Any) -> None:
    name = {"Bucket": PLAIN, "Key": "parts"}
    upload = s3.create_multipart_upload(**name, ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for number, body in ((1, bytes(5 * 1024**2)), (2, b"end")):
        part = s3.upload_part(
            **name, UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256"
        )
        parts.append(
            {
                "PartNumber": number,
                "ETag": part["ETag"],
                "ChecksumSHA256": part["ChecksumSHA256"],
            }
        )
    done = s3.complete_multipart_upload(**name, UploadId=upload, MultipartUpload={"Parts": parts})
    wanted = ["ETag", "Checksum", "ObjectParts", "ObjectSize", "StorageClass"]
    got = s3.get_object_attributes(**name, ObjectAttributes=wanted, MaxParts=1)
    assert got["ETag"] == done["ETag"].strip('"')
    assert got["Checksum"]["ChecksumSHA256"] + "-2" == done["ChecksumSHA256"]
    assert (got["ObjectSize"], got["StorageClass"]) == (5 * 1024**2 + 3, "STANDARD")
    assert got["ObjectParts"]["TotalPartsCount"] == 2
    assert got["ObjectParts"]["IsTruncated"] is True
    assert got["ObjectParts"]["Parts"][0]["ChecksumSHA256"] == parts[0]["ChecksumSHA256"]


def test_archives_are_restored(s3: Any) -> None:
    name = {"Bucket": PLAIN, "Key": "archived"}
    s3.put_object(**name, Body=b"cold", StorageClass="GLACIER")
    assert refused(s3.get_object, **name)[:2] == (403, "InvalidObjectState")
    asked = s3.restore_object(**name, RestoreRequest={"Days": 1})
    assert asked["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert s3.get_object(**name)["Body"].read() == b"cold"
    assert s3.head_object(**name)["Restore"].startswith('ongoing-request="false", expiry-date="')
    listed = s3.list_objects_v2(
        Bucket=PLAIN, Prefix="archived", OptionalObjectAttributes=["RestoreStatus"]
    )
    assert listed["Contents"][0]["RestoreStatus"]["IsRestoreInProgress"] is False


def test_an_object_is_renamed(s3: Any) -> None:
    s3.put_object(Bucket=PLAIN, Key="old name", Body=b"data")
    s3.rename_object(Bucket=PLAIN, Key="new name", RenameSource="old%20name")
    assert s3.get_object(Bucket=PLAIN, Key="new name")["Body"].read() == b"data"
    assert refused(s3.head_object, Bucket=PLAIN, Key="old name")[0] == 404
