"""What policies can ask about an S3 request."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kms.aws.clock import FixedClock
from kms.aws.identity import Caller
from objstore.account.directory import root_principal
from objstore.condition_keys import Asked, Facts, request_keys
from objstore.storage.records import Bucket, StoredObject

WALL = FixedClock(1_700_000_000)
SERVICE = FixedClock(1_800_000_000)
TAGGED = {"tagging": {"TagSet": [{"Key": "Team", "Value": "red"}]}}
BUCKET = Bucket("photos", bytes(16), "111122223333", "eu-west-1", 0, TAGGED)
CALLER = Caller(root_principal("111122223333"), "AKIA", "eu-west-1", "REQUEST")
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
STORED = StoredObject(
    BUCKET.bucket_id, b"k", "null", 0, "", 0, "STANDARD", "", "", b"", b"", (),
    {"tags": {"Colour": "blue"}},
)  # fmt: skip


def value(key: str, action: str = "s3:PutObject", **facts: Any) -> Any:
    arguments = {"headers": {}, "query": {}, "wall": WALL, **facts}
    asked = Asked(CALLER, action, BUCKET, "k", Facts(**arguments), arguments["query"].get("v"))
    return request_keys(asked, SERVICE, lambda: STORED, lambda upload_id: None)(key)


@pytest.mark.parametrize(
    ("key", "facts", "expected"),
    [
        ("s3:prefix", {"query": {"prefix": "a/"}}, "a/"),
        ("s3:prefix", {}, None),
        ("s3:max-keys", {"query": {"max-keys": "5"}}, "5"),
        ("s3:x-amz-acl", {"headers": {"x-amz-acl": "private"}}, "private"),
        ("s3:x-amz-server-side-encryption", {}, None),
        (
            "s3:x-amz-server-side-encryption",
            {"headers": {"x-amz-server-side-encryption": "AES256"}},
            "AES256",
        ),
        (
            "s3:x-amz-server-side-encryption",
            {
                "headers": {"x-amz-server-side-encryption": "AES256"},
                "query": {"uploadId": "unknown"},
            },
            None,
        ),
        ("s3:x-amz-copy-source", {"headers": {"x-amz-copy-source": "/a/b"}}, "/a/b"),
        (
            "s3:x-amz-server-side-encryption-aws-kms-key-id",
            {"headers": {"x-amz-server-side-encryption-aws-kms-key-id": KEY_ID}},
            f"arn:aws:kms:eu-west-1:111122223333:key/{KEY_ID}",
        ),
        (
            "s3:x-amz-server-side-encryption-aws-kms-key-id",
            {"headers": {"x-amz-server-side-encryption-aws-kms-key-id": "alias/a"}},
            "alias/a",
        ),
        ("s3:existingobjecttag/colour", {}, "blue"),
        ("s3:existingobjecttag/size", {}, None),
        ("s3:requestobjecttag/a", {"headers": {"x-amz-tagging": "a=1&b=2"}}, "1"),
        ("s3:requestobjecttag/a", {"headers": {"x-amz-tagging": "a=1&a=2"}}, None),
        ("s3:requestobjecttagkeys", {"headers": {"x-amz-tagging": "a=1&b=2"}}, ("a", "b")),
        ("s3:requestobjecttag/team", {"arguments": TAGGED}, "red"),
        ("aws:resourcetag/team", {}, "red"),
        ("aws:requesttag/team", {"arguments": TAGGED}, None),
        ("aws:tagkeys", {"arguments": TAGGED}, ()),
        ("aws:resourceaccount", {}, "111122223333"),
        ("s3:versionid", {"query": {"v": "3"}}, "3"),
        ("s3:authtype", {"auth_type": "POST"}, "POST"),
        ("s3:authtype", {}, None),
        ("s3:signatureversion", {"auth_type": "POST"}, "AWS4-HMAC-SHA256"),
        ("s3:signatureage", {"signed_at": "20231114T221310Z"}, "10000"),
        ("s3:signatureage", {"signed_at": "Tue, 14 Nov 2023 22:13:10 GMT"}, "10000"),
        ("s3:signatureage", {}, None),
        ("s3:tlsversion", {"tls": "1.3"}, "1.3"),
        ("s3:object-lock-mode", {"headers": {"x-amz-object-lock-mode": "COMPLIANCE"}},
         "COMPLIANCE"),
        ("s3:object-lock-mode", {"arguments": {"retention": {"Mode": "GOVERNANCE"}}}, "GOVERNANCE"),
        ("s3:object-lock-legal-hold", {"arguments": {"legal_hold": {"Status": "ON"}}}, "ON"),
        ("s3:object-lock-legal-hold", {}, None),
        (
            "s3:object-lock-retain-until-date",
            {"arguments": {"retention": {"RetainUntilDate": datetime(2027, 1, 17, tzinfo=UTC)}}},
            "2027-01-17T00:00:00Z",
        ),
        (
            "s3:object-lock-remaining-retention-days",
            {"headers": {"x-amz-object-lock-retain-until-date": "2027-01-25T08:00:00Z"}},
            "10",
        ),
        (
            "s3:object-lock-remaining-retention-days",
            {"arguments": {"retention": {
                "RetainUntilDate": datetime(2027, 1, 17, 8, tzinfo=UTC)}}},
            "2",
        ),
        (
            "s3:object-lock-remaining-retention-days",
            {"headers": {"x-amz-object-lock-retain-until-date": "never"}},
            None,
        ),
        (
            "s3:object-lock-remaining-retention-days",
            {"headers": {"x-amz-object-lock-retain-until-date": "9999-12-31T23:59:59-23:00"}},
            None,
        ),
        (
            "s3:locationconstraint",
            {"arguments": {"create_bucket_configuration": {"LocationConstraint": "eu-west-1"}}},
            "eu-west-1",
        ),
        (
            "s3:inventoryaccessibleoptionalfields",
            {"arguments": {"inventory_configuration": {"OptionalFields": ["Size", "ETag"]}}},
            ("Size", "ETag"),
        ),
        ("s3:inventoryaccessibleoptionalfields", {}, None),
        ("s3:objectcreationoperation", {}, "true"),
        ("s3:objectcreationoperation", {"query": {"partNumber": "1"}}, "false"),
        ("s3:unknown", {}, None),
    ],
)  # fmt: skip
def test_keys(key: str, facts: dict[str, Any], expected: Any) -> None:
    assert value(key, **facts) == expected


@pytest.mark.parametrize(
    ("bucket", "key", "arguments", "of_bucket"),
    [
        (BUCKET, "", TAGGED, True),
        (BUCKET, "k", TAGGED, False),
        (None, "new", {"create_bucket_configuration": {"Tags": TAGGED["tagging"]["TagSet"]}}, True),
        (None, "new", {}, None),
    ],
)
def test_tags_asked_for_are_a_buckets_or_an_objects(
    bucket: Bucket | None, key: str, arguments: dict[str, Any], of_bucket: bool | None
) -> None:
    facts = Facts({}, {}, WALL, arguments=arguments)
    asked = Asked(CALLER, "s3:x", bucket, key, facts)
    keys = request_keys(asked, SERVICE, lambda: None, lambda upload_id: None)
    assert keys("aws:tagkeys") == (("Team",) if of_bucket else ())
    assert keys("aws:requesttag/team") == ("red" if of_bucket else None)
    assert keys("s3:requestobjecttag/team") == ("red" if of_bucket is False else None)


@pytest.mark.parametrize(
    ("bucket", "key", "resource"),
    [
        (BUCKET, "a/b", "arn:aws:s3:::photos/a/b"),
        (BUCKET, "", "arn:aws:s3:::photos"),
        (None, "new", "arn:aws:s3:::new"),
        (None, "", "*"),
    ],
)
def test_resources(bucket: Bucket | None, key: str, resource: str) -> None:
    assert Asked(CALLER, "s3:x", bucket, key, Facts({}, {}, WALL)).resource == resource


@pytest.mark.parametrize(("region", "version"), [("eu-west-1", "AWS4-HMAC-SHA256"), ("", "AWS")])
def test_a_signature_that_names_no_region_is_of_the_old_version(region: str, version: str) -> None:
    facts = Facts(headers={}, query={}, wall=WALL, auth_type="REST-HEADER")
    asked = Asked(replace(CALLER, region=region), "s3:GetObject", BUCKET, "k", facts)
    keys = request_keys(asked, SERVICE, lambda: STORED, lambda upload_id: None)
    assert keys("s3:signatureversion") == version
