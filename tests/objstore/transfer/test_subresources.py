from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.call import Call
from objstore.transfer import subresources


def call_of(s3: Any) -> Call:
    return Call(s3.caller, s3.services, lambda *_: None, s3.store.bucket("bucket"))


async def test_documents_are_set_and_removed_one_by_one(s3: Any) -> None:
    await subresources.put(call_of(s3), "cors", {"CORSRules": []})
    await subresources.put(call_of(s3), "tagging", {"TagSet": []})
    assert s3.store.bucket("bucket").settings == {
        "cors": {"CORSRules": []},
        "tagging": {"TagSet": []},
    }
    await subresources.remove(call_of(s3), "cors")
    await subresources.remove(call_of(s3), "cors")
    assert s3.store.bucket("bucket").settings == {"tagging": {"TagSet": []}}


async def test_a_change_may_refuse(s3: Any) -> None:
    def refuse(_: subresources.Settings) -> subresources.Settings:
        raise LookupError

    with pytest.raises(LookupError):
        await subresources.change(call_of(s3), refuse)


async def test_a_bucket_may_be_gone(s3: Any) -> None:
    call = call_of(s3)
    await s3.call("DeleteBucket")
    with pytest.raises(AWSError, match="NoSuchBucket"):
        await subresources.put(call, "cors", {})
