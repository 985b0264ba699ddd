from kms.key import Alias, Key, KeyState, Material
from kms.store_rows import (
    ALIAS_COLUMNS,
    KEY_COLUMNS,
    MATERIAL_COLUMNS,
    alias_from_row,
    key_from_row,
    key_to_row,
    material_from_row,
)


def test_keys_survive_the_round_trip() -> None:
    key = Key(
        "1",
        "r",
        "id",
        1.5,
        "ab",
        "{}",
        state=KeyState.PENDING_DELETION,
        manager="AWS",
        description="d",
        deletion_at=2.5,
        tags=(("a", "b"), ("c", "")),
    )
    assert key_from_row(key_to_row(key)) == key
    assert len(key_to_row(key)) == len(KEY_COLUMNS.split(","))


def test_materials_and_aliases() -> None:
    material = Material("ab", "1", "r", "id", "S", "U", b"w", 1.0)
    row = (*material.binding, material.wrapped, material.created_at)
    assert material_from_row(row) == material
    assert len(row) == len(MATERIAL_COLUMNS.split(","))
    alias = Alias("1", "r", "alias/a", "id", 1.0, 2.0)
    assert alias_from_row(("1", "r", "alias/a", "id", 1.0, 2.0)) == alias
    assert ALIAS_COLUMNS.split(",") == list(Alias.__dataclass_fields__)
