import pytest

from kms.key import Alias, Key, KeyState, Material, MaterialState
from kms.store_rows import (
    ALIAS_COLUMNS,
    KEY_COLUMNS,
    MATERIAL_COLUMNS,
    alias_from_row,
    alias_to_row,
    key_from_row,
    key_to_row,
    material_from_row,
    material_to_row,
)


@pytest.mark.parametrize(
    "key",
    [
        Key("1", "r", "id", 1.5, "", "{}"),
        Key(
            "1",
            "r",
            "mrk-id",
            1.5,
            "ab",
            "{}",
            state=KeyState.PENDING_DELETION,
            manager="AWS",
            description="d",
            usage="SIGN_VERIFY",
            spec="RSA_2048",
            origin="EXTERNAL",
            tags=(("a", "b"), ("c", "")),
            primary_region="s",
            deletion_at=2.5,
            pending_window_days=7,
            rotation_period_days=90,
            next_rotation_at=3.5,
            on_demand_at=4.5,
            on_demand_rotations=5,
            expires_at=6.5,
            settles_at=7.5,
            bound=(("arn:aws:iam::111122223333:user/b", "AIDAB"),),
        ),
    ],
)
def test_keys_survive_the_round_trip(key: Key) -> None:
    assert key_from_row(key_to_row(key)) == key
    assert len(key_to_row(key)) == len(KEY_COLUMNS.split(","))


def test_materials_survive_the_round_trip() -> None:
    material = Material(
        "ab",
        "1",
        "r",
        "id",
        "S",
        "U",
        b"w",
        1.0,
        number=2,
        state=MaterialState.PENDING_ROTATION,
        description="d",
        expires_at=2.0,
        rotation_type="ON_DEMAND",
        rotated_at=3.0,
    )
    assert material_from_row(material_to_row(material)) == material
    assert MATERIAL_COLUMNS.split(",") == list(Material.__dataclass_fields__)


def test_aliases_survive_the_round_trip() -> None:
    alias = Alias("1", "r", "alias/a", "id", 1.0, 2.0)
    assert alias_from_row(alias_to_row(alias)) == alias
    assert ALIAS_COLUMNS.split(",") == list(Alias.__dataclass_fields__)
