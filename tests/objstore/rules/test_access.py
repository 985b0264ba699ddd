"""Ownership and public access block documents."""

from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.rules import access

OWNERSHIPS: list[tuple[dict[str, Any], str]] = [
    ({}, "BucketOwnerEnforced"),
    ({"ownership": None}, "ObjectWriter"),
    ({"ownership": access.ownership_document("BucketOwnerPreferred")}, "BucketOwnerPreferred"),
]


@pytest.mark.parametrize(("settings", "ownership"), OWNERSHIPS)
def test_who_owns_objects(settings: dict[str, Any], ownership: str) -> None:
    assert access.object_ownership(settings) == ownership


@pytest.mark.parametrize(
    ("settings", "blocks"),
    [
        ({}, (True, True, True, True)),
        ({"public_access_block": None}, (False, False, False, False)),
        (
            {"public_access_block": access.check_public_access_block({"BlockPublicAcls": True})},
            (True, False, False, False),
        ),
    ],
)
def test_what_is_blocked(settings: dict[str, Any], blocks: tuple[bool, ...]) -> None:
    block = access.public_access_block(settings)
    assert tuple(block[name] for name in access.BLOCKS) == blocks


def test_ownership_controls_have_one_rule() -> None:
    with pytest.raises(AWSError, match="MalformedXML"):
        access.check_ownership({"Rules": []})


def test_new_buckets_store_only_what_differs_from_aws() -> None:
    made = access.new_bucket_settings
    assert made(ownership="BucketOwnerEnforced", allow_public_access=False) == {}
    assert made(ownership="ObjectWriter", allow_public_access=True) == {
        "ownership": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
        "public_access_block": None,
    }
    sealed: dict[str, Any] = {"Rules": []}
    assert made(ownership="BucketOwnerEnforced", allow_public_access=False, encryption=sealed) == {
        "encryption": sealed
    }
