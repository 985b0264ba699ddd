"""Ownership and public access block: the documents, not their evaluation.

A new bucket has AWS's defaults of today without anything stored: ACLs off, public access blocked.
A document that was deleted is stored as None, because its absence means something else.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
"""

from collections.abc import Mapping
from typing import Any

from objstore.errors import S3Error

OWNERSHIP = "ownership"
PUBLIC_ACCESS_BLOCK = "public_access_block"
OWNER_ENFORCED = "BucketOwnerEnforced"
OWNER_PREFERRED = "BucketOwnerPreferred"
OBJECT_WRITER = "ObjectWriter"
BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
BLOCK_ALL: Mapping[str, bool] = dict.fromkeys(BLOCKS, True)
BLOCK_NOTHING: Mapping[str, bool] = dict.fromkeys(BLOCKS, False)


def ownership_document(ownership: str) -> Mapping[str, Any]:
    return {"Rules": [{"ObjectOwnership": ownership}]}


ENFORCED_DOCUMENT = ownership_document(OWNER_ENFORCED)


def object_ownership(settings: Mapping[str, Any]) -> str:
    """Who owns the objects of a bucket. Without ownership controls, the writer does."""
    document = settings.get(OWNERSHIP, ENFORCED_DOCUMENT)
    if document is None:
        return OBJECT_WRITER
    ownership: str = document["Rules"][0]["ObjectOwnership"]
    return ownership


def public_access_block(settings: Mapping[str, Any]) -> Mapping[str, bool]:
    """What the bucket blocks, all four members."""
    document: Mapping[str, bool] | None = settings.get(PUBLIC_ACCESS_BLOCK, BLOCK_ALL)
    return BLOCK_NOTHING if document is None else document


def new_bucket_settings(
    *, ownership: str, allow_public_access: bool, encryption: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What a bucket is made with; AWS's own defaults need nothing."""
    settings: dict[str, Any] = {}
    if ownership != OWNER_ENFORCED:
        settings[OWNERSHIP] = ownership_document(ownership)
    if encryption is not None:
        settings["encryption"] = encryption
    if allow_public_access:
        settings[PUBLIC_ACCESS_BLOCK] = None
    return settings


def check_ownership(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ownership controls to store. Raises MalformedXML."""
    if len(document["Rules"]) != 1:
        raise S3Error("MalformedXML")
    return document


def check_public_access_block(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The block to store: a member that is not named is off."""
    return {**BLOCK_NOTHING, **document}
