import json
from typing import Any

import pytest

from kms.errors import KMSError
from kms.request import S3_ALIAS

POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}'


def test_the_stored_policy_comes_back_as_it_was(client: Any) -> None:
    arn = client.key(policy=POLICY)
    assert client("GetKeyPolicy", key_id=arn) == {"Policy": POLICY, "PolicyName": "default"}


def test_default_and_managed_policies(client: Any) -> None:
    default = json.loads(client("GetKeyPolicy", key_id=client.key())["Policy"])
    assert default["Id"] == "key-default-1"
    made = client("DescribeKey", key_id=S3_ALIAS)["KeyMetadata"]["Arn"]
    assert json.loads(client("GetKeyPolicy", key_id=made)["Policy"])["Id"] == "auto-s3-2"


def test_there_is_one_policy(client: Any) -> None:
    arn = client.key()
    assert client("ListKeyPolicies", key_id=arn) == {"PolicyNames": ["default"], "Truncated": False}
    with pytest.raises(KMSError, match="NotFoundException"):
        client("GetKeyPolicy", key_id=arn, policy_name="other")
