from typing import Any

import pytest

from kms import quotas
from kms.request import S3_ALIAS


def test_keys_are_limited_in_each_region(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "KEYS_MAX", 2)
    client.metadata(S3_ALIAS)
    for _ in range(2):
        arn = client.key(multi_region=True)
    assert client.refused("CreateKey") == (
        "LimitExceededException",
        "Key quota for this account in this region is 2, current usage is 2.",
    )
    client("ReplicateKey", key_id=arn, replica_region="eu-west-1")
    monkeypatch.setattr(quotas, "KEYS_MAX", 1)
    assert client.refused("ReplicateKey", key_id=arn, replica_region="eu-west-1") == (
        "AlreadyExistsException",
        "You can create only one replica of each primary key in each AWS Region.",
    )


def test_replicas_count_where_they_are(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = client.key(multi_region=True), client.key(multi_region=True)
    monkeypatch.setattr(quotas, "KEYS_MAX", 1)
    client("ReplicateKey", key_id=first, replica_region="eu-west-1")
    code, message = client.refused("ReplicateKey", key_id=second, replica_region="eu-west-1")
    assert code == "LimitExceededException"
    assert message == "Key quota for this account in this region is 1, current usage is 1."
