"""Keys with ids and material that somebody else chose: those of a seed file."""

from collections.abc import Sequence
from dataclasses import replace

from kms.errors import KMSError
from kms.key import Alias, Key
from kms.material import generate
from kms.quotas import check_aliases
from kms.store import Store

ALIAS_PREFIX = "alias/"


def plant_key(store: Store, draft: Key, *, aliases: Sequence[str], material: bytes | None) -> bool:
    """Store `draft` with fresh or given material (32 bytes), unless the key exists.

    Aliases are added either way. Answers whether the key was made. Raises LimitExceededException
    for more aliases than a key may have.
    """
    account, region, key_id, now = draft.account, draft.region, draft.key_id, draft.created_at
    planted = False
    if store.key(account, region, key_id) is None:
        backing = generate(draft.spec) if material is None else bytearray(material)
        made = store.new_material(draft, backing, now)
        planted = store.add_key(replace(draft, material_id=made.material_id), made)
    for name in aliases:
        if not name.startswith(ALIAS_PREFIX):
            raise KMSError("ValidationException", f"The alias {name!r} must start with alias/")
        existing = store.alias(account, region, name)
        if existing is None:
            alias = Alias(account, region, name, key_id, now, now)
            with store.edit() as edit:
                check_aliases(edit, draft)
                if edit.alias(account, region, name) is None:
                    edit.put_alias(alias)
        elif existing.key_id != key_id:
            raise KMSError("ValidationException", f"The alias {name!r} names another key")
    return planted
