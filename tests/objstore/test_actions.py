import pytest

from kms.aws.model import load
from objstore.actions import AFTER_BINDING, OF_OBJECTS, PER_KEY, action_of
from objstore.operations import OPERATIONS


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("PutObject", "s3:PutObject"),
        ("HeadObject", "s3:GetObject"),
        ("ListObjectsV2", "s3:ListBucket"),
        ("ListBuckets", "s3:ListAllMyBuckets"),
        ("PutBucketEncryption", "s3:PutEncryptionConfiguration"),
    ],
)
def test_actions_are_those_of_policies(operation: str, action: str) -> None:
    assert action_of(operation) == action


def test_a_version_has_permissions_of_its_own() -> None:
    assert action_of("GetObject", of_version=True) == "s3:GetObjectVersion"
    assert action_of("PutObject", of_version=True) == "s3:PutObject"
    assert {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObjectAcl"} <= OF_OBJECTS


def test_the_special_operations_exist() -> None:
    assert set(load("s3").operations) >= AFTER_BINDING | PER_KEY
    assert OPERATIONS.keys() >= AFTER_BINDING | PER_KEY
