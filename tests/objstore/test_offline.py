import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from kms.aws.errors import AWSError
from objstore.compose import StartError, prepare
from objstore.crypt.customer_keys import NO_CUSTOMER_KEY
from objstore.explain import Asked
from objstore.offline import check, explain, inspect, rewrap
from objstore.rewrap import Count
from objstore.settings import Settings
from objstore.transfer.rewrap import Target

PLANTED_KEY = "arn:aws:kms:us-east-1:123456789012:key/b3537ef1-d8dc-4780-9f5a-55776cbb2f7f"
SEED = """
[[users]]
name = "bob"
access_key_id = "AKIABOB"
secret_access_key = "bobs secret"

[[keys]]
id = "b3537ef1-d8dc-4780-9f5a-55776cbb2f7f"
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_what_is_no_data_folder_is_not_checked(data: Path) -> None:
    with pytest.raises(StartError, match="no index"):
        list(check(data))


async def test_what_is_no_data_folder_is_not_inspected(data: Path) -> None:
    with pytest.raises(StartError, match="no data folder"):
        await inspect(Settings(data), bucket="b", key="k", customer=NO_CUSTOMER_KEY)


async def rewrapped(settings: Settings, bucket: str, key_id: str) -> tuple[Count, list[str]]:
    lines: list[str] = []
    count = await rewrap(
        settings,
        bucket=bucket,
        target=Target(key_id, False),
        rewrapped_max=None,
        report=lines.append,
    )
    return count, lines


async def test_what_is_no_data_folder_is_not_rewrapped(data: Path) -> None:
    with pytest.raises(StartError, match="no data folder"):
        await rewrapped(Settings(data), "b", "k")


async def test_an_empty_bucket_gets_another_key(data: Path, tmp_path: Path) -> None:
    seed = tmp_path / "seed.toml"
    seed.write_text(SEED + '[[buckets]]\nname = "planted-bucket"\n')
    settings = Settings(data, dev=True, seed=seed)
    await asyncio.to_thread(prepare, settings, lambda text: None)
    count, lines = await rewrapped(settings, "planted-bucket", PLANTED_KEY)
    assert (count, lines) == (Count(), [str(Count())])
    with pytest.raises(StartError, match="no bucket nobody"):
        await rewrapped(settings, "nobody", PLANTED_KEY)
    with pytest.raises(AWSError, match="Invalid keyId 'nobody'"):
        await rewrapped(settings, "planted-bucket", "nobody")


async def test_a_decision_is_explained(data: Path, tmp_path: Path) -> None:
    seed = tmp_path / "seed.toml"
    seed.write_text(SEED)
    settings = Settings(data, dev=True, seed=seed)
    await asyncio.to_thread(prepare, settings, lambda text: None)
    root = f"arn:aws:iam::{settings.account}:root"
    bob = Asked(root.replace("root", "user/bob"), "kms:Decrypt", PLANTED_KEY, {})
    line, allowed = await explain(settings, bob)
    assert not allowed
    assert line == "denied because no identity-based policy allows the kms:Decrypt action"
    line, allowed = await explain(settings, replace(bob, principal=root))
    assert allowed
    assert line == (
        "allowed by a resource-based policy (Enable IAM User Permissions of the key policy)"
    )
    with pytest.raises(StartError, match="no data folder"):
        await explain(Settings(tmp_path / "none"), bob)
