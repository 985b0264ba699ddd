from base64 import b64encode
from hashlib import md5
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.call import Call
from objstore.crypt.manifest import Mode
from objstore.crypt.sse import NO_ENCRYPTION_HEADERS, EncryptionHeaders
from objstore.transfer.encryption import check_not_blocked, choose

CUSTOMER = EncryptionHeaders(
    sse_customer_algorithm="AES256",
    sse_customer_key=b64encode(b"k" * 32).decode(),
    sse_customer_key_md5=b64encode(md5(b"k" * 32).digest()).decode(),
)


def call_of(s3: Any) -> Call:
    return Call(s3.caller, s3.services, s3._authorize, s3.bucket, s3.trace)


async def test_a_choice_is_traced(s3: Any) -> None:
    choice = choose(call_of(s3), "PutObject", "k", EncryptionHeaders("aws:kms"))
    assert choice.mode is Mode.SSE_KMS
    (step,) = s3.trace.steps
    assert (step["operation"], step["key"], step["algorithm"]) == ("PutObject", "k", "aws:kms")
    assert choose(call_of(s3), "PutObject", "k", NO_ENCRYPTION_HEADERS).mode is Mode.SSE_S3


async def test_customers_keys_are_blocked_until_the_bucket_says_none(s3: Any) -> None:
    with pytest.raises(AWSError, match="AccessDenied") as caught:
        choose(call_of(s3), "CopyObject", "k", CUSTOMER)
    assert "s3:CopyObject on resource" in caught.value.message
    with pytest.raises(AWSError, match="AccessDenied"):
        check_not_blocked(call_of(s3), "UploadPart", "k", Mode.SSE_C)
    rule = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
    await s3.call("PutBucketEncryption", server_side_encryption_configuration={"Rules": [rule]})
    s3.bucket = s3.store.bucket("bucket")
    assert choose(call_of(s3), "CopyObject", "k", CUSTOMER).customer == CUSTOMER.customer
