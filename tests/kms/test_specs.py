import pytest

from kms.aws import model
from kms.specs import ALGORITHM_MEMBERS, NOT_IMPORTED, SPECS

ABSENT_SPECS = {"SM2", "ML_KEM_512"}
ABSENT_ALGORITHMS = {"SM2PKE", "SM2DSA", "ED25519_PH_SHA_512"}


def test_specs_and_usages_are_the_models() -> None:
    assert set(SPECS) == set(model.load("kms").shape("KeySpec").enum) - ABSENT_SPECS
    usages = {usage for usages in SPECS.values() for usage in usages}
    assert usages == set(model.load("kms").shape("KeyUsageType").enum) == set(ALGORITHM_MEMBERS)
    assert set(SPECS) > NOT_IMPORTED


@pytest.mark.parametrize(("usage", "member"), ALGORITHM_MEMBERS.items())
def test_algorithms_are_the_models(usage: str, member: str) -> None:
    service = model.load("kms")
    shape = service.shape(service.shape("KeyMetadata").members[member].shape)
    assert shape.element is not None
    named = {name for usages in SPECS.values() for name in usages.get(usage, ())}
    assert named == set(service.shape(shape.element.shape).enum) - ABSENT_ALGORITHMS
