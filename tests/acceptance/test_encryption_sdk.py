"""The AWS Encryption SDK, as its users run it, with its keys in this server's KMS."""

from collections.abc import Callable
from typing import Any

import aws_encryption_sdk
import pytest
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
from aws_encryption_sdk.key_providers.kms import (
    DiscoveryAwsKmsMasterKeyProvider,
    DiscoveryFilter,
    MRKAwareDiscoveryAwsKmsMasterKeyProvider,
    MRKAwareStrictAwsKmsMasterKeyProvider,
    StrictAwsKmsMasterKeyProvider,
)

pytestmark = pytest.mark.acceptance

CONTEXT = {"purpose": "test", "document": "größer"}
DOCUMENT = b"Bob's plan. " * 1_000
ACCOUNT = "123456789012"


@pytest.fixture
def sdk(server: Any, monkeypatch: pytest.MonkeyPatch) -> aws_encryption_sdk.EncryptionSDKClient:
    """The SDK's client, with its default suite: key commitment and a signature."""
    for name, value in server.environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return aws_encryption_sdk.EncryptionSDKClient()


@pytest.fixture
def make_key(server: Any) -> Callable[..., str]:
    def make(**members: Any) -> str:
        arn: str = server.client("kms").create_key(**members)["KeyMetadata"]["Arn"]
        return arn

    return make


def test_what_one_key_encrypts_only_it_decrypts(sdk: Any, make_key: Callable[..., str]) -> None:
    first, second = make_key(), make_key()
    provider = StrictAwsKmsMasterKeyProvider(key_ids=[first])
    sealed, _ = sdk.encrypt(source=DOCUMENT, key_provider=provider, encryption_context=CONTEXT)
    assert DOCUMENT[:100] not in sealed
    opened, header = sdk.decrypt(source=sealed, key_provider=provider)
    assert opened == DOCUMENT
    assert CONTEXT.items() <= header.encryption_context.items()
    with pytest.raises(AWSEncryptionSDKClientError):
        sdk.decrypt(source=sealed, key_provider=StrictAwsKmsMasterKeyProvider(key_ids=[second]))


def test_several_keys_and_discovery(sdk: Any, server: Any, make_key: Callable[..., str]) -> None:
    first, second = make_key(), make_key()
    both = StrictAwsKmsMasterKeyProvider(key_ids=[first, second])
    sealed, _ = sdk.encrypt(source=DOCUMENT, key_provider=both, encryption_context=CONTEXT)
    server.client("kms").disable_key(KeyId=first)
    found = DiscoveryAwsKmsMasterKeyProvider(
        discovery_filter=DiscoveryFilter(partition="aws", account_ids=[ACCOUNT])
    )
    assert sdk.decrypt(source=sealed, key_provider=found)[0] == DOCUMENT
    server.client("kms").disable_key(KeyId=second)
    with pytest.raises(AWSEncryptionSDKClientError):
        sdk.decrypt(source=sealed, key_provider=found)


def test_an_altered_context_is_noticed(sdk: Any, make_key: Callable[..., str]) -> None:
    provider = StrictAwsKmsMasterKeyProvider(key_ids=[make_key()])
    sealed, _ = sdk.encrypt(source=DOCUMENT, key_provider=provider, encryption_context=CONTEXT)
    altered = sealed.replace(b"purpose\0\4test", b"purpose\0\4toast"[: len(b"purpose\0\4test")])
    assert altered != sealed
    with pytest.raises(AWSEncryptionSDKClientError):
        sdk.decrypt(source=altered, key_provider=provider)


def test_streams(sdk: Any, make_key: Callable[..., str]) -> None:
    provider = StrictAwsKmsMasterKeyProvider(key_ids=[make_key()])
    with sdk.stream(
        mode="e", source=DOCUMENT * 50, key_provider=provider, encryption_context=CONTEXT
    ) as encryptor:
        sealed = encryptor.read()
    with sdk.stream(mode="d", source=sealed, key_provider=provider) as decryptor:
        assert decryptor.read() == DOCUMENT * 50


def test_a_related_key_decrypts_in_its_region(
    sdk: Any, server: Any, make_key: Callable[..., str]
) -> None:
    primary = make_key(MultiRegion=True)
    server.client("kms").replicate_key(KeyId=primary, ReplicaRegion="eu-west-1")
    replica = primary.replace("us-east-1", "eu-west-1")
    there = server.client("kms", region_name="eu-west-1")
    while there.describe_key(KeyId=replica)["KeyMetadata"]["KeyState"] == "Creating":
        pass  # for five seconds
    sealed, _ = sdk.encrypt(
        source=DOCUMENT,
        key_provider=MRKAwareStrictAwsKmsMasterKeyProvider(key_ids=[primary]),
        encryption_context=CONTEXT,
    )
    filtered = DiscoveryFilter(partition="aws", account_ids=[ACCOUNT])
    for provider in (
        MRKAwareStrictAwsKmsMasterKeyProvider(key_ids=[replica]),
        MRKAwareDiscoveryAwsKmsMasterKeyProvider(
            discovery_filter=filtered, discovery_region="eu-west-1"
        ),
    ):
        assert sdk.decrypt(source=sealed, key_provider=provider)[0] == DOCUMENT
    with pytest.raises(AWSEncryptionSDKClientError):
        sdk.decrypt(source=sealed, key_provider=StrictAwsKmsMasterKeyProvider(key_ids=[replica]))
