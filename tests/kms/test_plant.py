from collections.abc import Iterator
from pathlib import Path

import pytest

from kms.aws.clock import FixedClock
from kms.aws.identity import Caller
from kms.client import KMS, KMSError, RootSettings, open_kms
from kms.quotas import ALIASES_PER_KEY_MAX

KEY_ID = "b3537ef1-d8dc-4780-9f5a-55776cbb2f7f"
ALIAS = "alias/EncryptDecrypt"


@pytest.fixture
def kms(tmp_path: Path, clock: FixedClock) -> Iterator[KMS]:
    opened = open_kms(tmp_path, clock=clock, root=RootSettings())
    yield opened
    opened.close()


def plant(
    kms: KMS, *, alias: str = ALIAS, key_id: str = KEY_ID, material: bytes = b"m" * 32
) -> bool:
    return kms.plant_key(
        account="111122223333",
        region="us-east-1",
        key_id=key_id,
        aliases=[alias],
        description="planted",
        material=material,
    )


def test_a_planted_key_works_by_its_id_and_alias(kms: KMS, caller: Caller) -> None:
    assert plant(kms) is True
    made = kms.generate_data_key(caller, key_id=ALIAS, context={"a": "b"})
    assert made.key_arn.endswith(KEY_ID)
    opened = kms.decrypt(caller, wrapped=made.wrapped, context={"a": "b"}, key_id=KEY_ID)
    assert opened == made.plaintext


def test_planting_again_changes_nothing(kms: KMS, caller: Caller) -> None:
    plant(kms)
    made = kms.generate_data_key(caller, key_id=KEY_ID, context={})
    assert plant(kms, material=b"x" * 32) is False
    assert kms.decrypt(caller, wrapped=made.wrapped, context={}) == made.plaintext


def test_the_same_material_opens_what_another_server_wrapped(
    kms: KMS, caller: Caller, tmp_path: Path, clock: FixedClock
) -> None:
    plant(kms)
    made = kms.generate_data_key(caller, key_id=KEY_ID, context={})
    kms.reset()
    with pytest.raises(KMSError, match="NotFoundException"):
        kms.generate_data_key(caller, key_id=KEY_ID, context={})
    plant(kms)
    assert kms.decrypt(caller, wrapped=made.wrapped, context={}) == made.plaintext


@pytest.mark.parametrize(
    ("alias", "key_id", "message"),
    [("EncryptDecrypt", KEY_ID, "must start"), (ALIAS, "1" + KEY_ID[1:], "names another key")],
)
def test_bad_aliases_are_refused(kms: KMS, alias: str, key_id: str, message: str) -> None:
    plant(kms)
    with pytest.raises(KMSError, match=message):
        plant(kms, alias=alias, key_id=key_id)


def test_more_aliases_than_a_key_may_have_are_refused(kms: KMS) -> None:
    for number in range(ALIASES_PER_KEY_MAX):
        plant(kms, alias=f"alias/{number}")
    with pytest.raises(KMSError, match="LimitExceededException"):
        plant(kms, alias="alias/more")
