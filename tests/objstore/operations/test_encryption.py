"""A bucket's default encryption: what is kept, what is refused, what is never asked."""

from typing import Any

import pytest

from kms.aws.errors import AWSError

NEVER_CONFIGURED = {
    "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
    "BucketKeyEnabled": False,
    "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
}
KMS = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "no such key"}


async def put(s3: Any, *rules: dict[str, Any]) -> None:
    await s3.call("PutBucketEncryption", server_side_encryption_configuration={"Rules": [*rules]})
    s3.bucket = s3.store.bucket("bucket")


async def rule_of(s3: Any) -> Any:
    reply = await s3.call("GetBucketEncryption")
    (rule,) = reply["ServerSideEncryptionConfiguration"]["Rules"]
    return rule


async def test_a_bucket_that_was_never_configured_is_encrypted(s3: Any) -> None:
    assert await rule_of(s3) == NEVER_CONFIGURED


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ({}, {}),
        ({"ApplyServerSideEncryptionByDefault": KMS}, {"ApplyServerSideEncryptionByDefault": KMS}),
        ({"BucketKeyEnabled": True}, {"BucketKeyEnabled": True}),
        (
            {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}},
            {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}},
        ),
        (
            {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms:dsse"}},
            {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms:dsse"}},
        ),
    ],
)
async def test_what_is_put_is_shown_literally(
    s3: Any, rule: dict[str, Any], changed: dict[str, Any]
) -> None:
    await put(s3, rule)
    assert await rule_of(s3) == {**NEVER_CONFIGURED, **changed}


async def test_leaving_the_block_out_blocks_again(s3: Any) -> None:
    await put(s3, {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}})
    await put(s3, {"BucketKeyEnabled": True})
    assert (await rule_of(s3))["BlockedEncryptionTypes"] == {"EncryptionType": ["SSE-C"]}


async def test_deleting_goes_back_to_the_default_and_may_be_repeated(s3: Any) -> None:
    await put(s3, {"ApplyServerSideEncryptionByDefault": KMS, "BucketKeyEnabled": True})
    for _ in range(2):
        await s3.call("DeleteBucketEncryption")
        s3.bucket = s3.store.bucket("bucket")
        assert await rule_of(s3) == NEVER_CONFIGURED
        assert s3.bucket.settings == {}


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [{}, {}],
        [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:fsx"}}],
        [{"BlockedEncryptionTypes": {}}],
        [{"BlockedEncryptionTypes": {"EncryptionType": ["NONE", "SSE-C"]}}],
    ],
)
async def test_malformed_configurations(s3: Any, rules: list[dict[str, Any]]) -> None:
    with pytest.raises(AWSError, match="MalformedXML"):
        await put(s3, *rules)


async def test_a_kms_key_needs_kms(s3: Any) -> None:
    default = {"SSEAlgorithm": "AES256", "KMSMasterKeyID": "alias/own"}
    with pytest.raises(AWSError) as caught:
        await put(s3, {"ApplyServerSideEncryptionByDefault": default})
    assert (caught.value.code, caught.value.message, caught.value.fields) == (
        "InvalidArgument",
        "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or "
        "aws:kms:dsse",
        {"ArgumentName": "ApplyServerSideEncryptionByDefault"},
    )


async def test_the_key_is_only_looked_for_when_it_is_used(s3: Any) -> None:
    await put(s3, {"ApplyServerSideEncryptionByDefault": KMS})
    with pytest.raises(AWSError) as caught:
        await s3.put("k", b"data")
    assert (caught.value.code, caught.value.message) == (
        "KMS.NotFoundException",
        "Invalid keyId 'no such key'",
    )


async def test_a_bucket_that_is_gone(s3: Any) -> None:
    await s3.call("DeleteBucket")
    with pytest.raises(AWSError, match="NoSuchBucket"):
        await put(s3, {})
