"""GetParametersForImport, ImportKeyMaterial and DeleteImportedKeyMaterial.

The first material that a key gets is its own for good; a symmetric key can get further ones, which
wait for a rotation on demand. The primary of a multi-Region key leads: its relatives know the ids
of its materials, and take only those. Source:
https://docs.aws.amazon.com/kms/latest/developerguide/importing-keys-conceptual.html
"""

from dataclasses import dataclass, replace
from typing import Any

from kms import imports
from kms.errors import KMSError
from kms.key import ORIGIN_EXTERNAL, Key, Material, MaterialState, check_state
from kms.metadata import date_of
from kms.request import Request
from kms.root import RootError
from kms.schedule import DAY_SECONDS, after_materials_changed, tell_of_pending
from kms.store_edits import Edit

VALID_DAYS_MAX = 365
EXPIRES = "KEY_MATERIAL_EXPIRES"
EXISTING = "EXISTING_KEY_MATERIAL"
NEW = "NEW_KEY_MATERIAL"
_PENDING = (MaterialState.PENDING_ROTATION, MaterialState.PENDING_IMPORTS)


@dataclass(frozen=True, slots=True)
class Import:
    """One import as it was asked for; `wanted_id` is the KeyMaterialId of the request."""

    material_id: str
    new: bool
    wanted_id: str | None
    description: str | None
    expires_at: float | None


def get_parameters_for_import(
    request: Request, *, key_id: str, wrapping_algorithm: str, wrapping_key_spec: str
) -> dict[str, Any]:
    key = _external(request, key_id)
    check_state(key, request.operation)
    made = imports.new_parameters(
        key.spec, wrapping_algorithm, wrapping_key_spec, request.clock.now()
    )
    content = made.encode()
    token = request.store.seal(_token_name(key), content)
    content[:] = bytes(len(content))
    return {
        "KeyId": key.arn,
        "ImportToken": token,
        "PublicKey": made.public_key,
        "ParametersValidTo": date_of(made.valid_to),
    }


def import_key_material(
    request: Request,
    *,
    key_id: str,
    import_token: bytes,
    encrypted_key_material: bytes,
    valid_to: float | None = None,
    expiration_model: str = EXPIRES,
    import_type: str | None = None,
    key_material_description: str | None = None,
    key_material_id: str | None = None,
) -> dict[str, Any]:
    key = _external(request, key_id)
    check_state(key, request.operation)
    now = request.clock.now()
    _check_validity(expiration_model, valid_to, now)
    _check_members(key, import_type, key_material_description, key_material_id)
    backing = _unwrapped(request, key, import_token, encrypted_key_material, now)
    asked = Import(
        request.store.identify(key.key_id, backing),
        import_type == NEW,
        key_material_id,
        key_material_description,
        valid_to,
    )

    def take(edit: Edit, stored: Key) -> Key:
        _check_members(stored, import_type, key_material_description, key_material_id)
        material = _place(stored, edit.materials(stored), asked, now)
        edit.put_material(request.store.wrap(material, backing))
        changed = replace(stored, material_id=stored.material_id or material.material_id)
        edit.put_key(changed)
        if stored.multi_region:
            _tell_relatives(edit, changed, material)
        return after_materials_changed(changed, edit.materials(stored))

    try:
        request.change(key, take)
    finally:
        backing[:] = bytes(len(backing))
    request.material_id = asked.material_id
    return _reply(key, asked.material_id)


def delete_imported_key_material(
    request: Request, *, key_id: str, key_material_id: str | None = None
) -> dict[str, Any]:
    key = _external(request, key_id)
    _check_members(key, None, None, key_material_id)

    def delete(edit: Edit, stored: Key) -> Key:
        wanted = key_material_id or stored.material_id
        found = [one for one in edit.materials(stored) if one.material_id == wanted]
        if not found and key_material_id is not None:
            raise KMSError(
                "NotFoundException",
                f"Key material (id: {wanted}) is not associated with KMS key {stored.arn}.",
            )
        for material in found:
            if material.bound or stored.replica:
                edit.put_material(replace(material, wrapped=b"", expires_at=None))
            else:
                _forget(edit, stored, material)
        return after_materials_changed(stored, edit.materials(stored))

    changed = request.change(key, delete)
    request.material_id = key_material_id or changed.material_id
    return _reply(key, request.material_id)


def _external(request: Request, key_id: str) -> Key:
    key = request.own(key_id)
    if key.origin != ORIGIN_EXTERNAL:
        raise KMSError(
            "UnsupportedOperationException",
            f"{key.arn} origin is {key.origin} which is not valid for this operation.",
        )
    return key


def _token_name(key: Key) -> str:
    return f"import-token/{key.arn}"


def _reply(key: Key, material_id: str) -> dict[str, Any]:
    reply = {"KeyId": key.arn}
    if key.rotates and material_id:
        reply["KeyMaterialId"] = material_id
    return reply


def _check_validity(expiration_model: str, valid_to: float | None, now: float) -> None:
    if expiration_model != EXPIRES:
        if valid_to is not None:
            raise KMSError(
                "ValidationException",
                f"A validTo date cannot be set if the ExpirationModel is {expiration_model}",
            )
    elif valid_to is None:
        raise KMSError(
            "ValidationException", f"A validTo date must be set if the ExpirationModel is {EXPIRES}"
        )
    elif valid_to <= now:
        raise KMSError("ValidationException", "ValidTo must be in the future")
    elif valid_to > now + VALID_DAYS_MAX * DAY_SECONDS:
        raise KMSError(
            "ValidationException", f"ValidTo must be less than {VALID_DAYS_MAX} days in the future"
        )


def _check_members(
    key: Key, import_type: str | None, description: str | None, material_id: str | None
) -> None:
    given = {
        "importType": import_type,
        "keyMaterialId": material_id,
        "keyMaterialDescription": description,
    }
    for name, value in given.items():
        if value is not None and not key.rotates:
            raise KMSError(
                "ValidationException",
                f"Input parameter {name} cannot be used with {key.spec} imported keys.",
            )
    if import_type != NEW:
        return
    if material_id is not None:
        raise KMSError(
            "ValidationException",
            f"Input parameter keyMaterialId cannot be used with {NEW} importType.",
        )
    if key.replica:
        raise KMSError(
            "UnsupportedOperationException", f"{key.arn} is not a multi-region primary key."
        )


def _unwrapped(request: Request, key: Key, token: bytes, wrapped: bytes, now: float) -> bytearray:
    """The material of an import in the form that `key` keeps."""
    try:
        content = request.store.open_sealed(_token_name(key), token)
    except RootError:
        raise KMSError("InvalidImportTokenException") from None
    parameters = imports.Parameters.decode(content)
    content[:] = bytes(len(content))
    if parameters.valid_to <= now:
        raise KMSError("ExpiredImportTokenException")
    raw = imports.unwrap(parameters, wrapped)
    try:
        return imports.normalized(key.spec, raw)
    finally:
        raw[:] = bytes(len(raw))


def _place(key: Key, known: list[Material], asked: Import, now: float) -> Material:
    """The record of the imported material, not wrapped yet. Raises what AWS refuses it with."""
    by_id = {material.material_id: material for material in known}
    if known and not asked.new:
        expected = asked.wanted_id or key.material_id
        if asked.material_id not in by_id or asked.wanted_id not in (None, asked.material_id):
            raise KMSError(
                "IncorrectKeyMaterialException",
                f"Imported key material does not have the expected identifier ({expected}).",
            )
        found = by_id[asked.material_id]
        description = found.description if asked.description is None else asked.description
        return replace(found, description=description, expires_at=asked.expires_at)
    if asked.wanted_id is not None and asked.wanted_id != asked.material_id:
        raise KMSError(
            "IncorrectKeyMaterialException",
            f"Imported key material does not have the expected identifier ({asked.wanted_id}).",
        )
    _check_new(key, by_id, asked)
    return Material(
        asked.material_id,
        key.account,
        key.region,
        key.key_id,
        key.spec,
        key.usage,
        b"",
        now,
        number=1 + max((material.number for material in known), default=0),
        state=MaterialState.PENDING_ROTATION if known else MaterialState.CURRENT,
        description=asked.description or "",
        expires_at=asked.expires_at,
    )


def _check_new(key: Key, known: dict[str, Material], asked: Import) -> None:
    if asked.material_id in known:
        raise KMSError(
            "IncorrectKeyMaterialException",
            f"Key material (id: {asked.material_id}) being imported as NEW_KEY_MATERIAL is already "
            f"associated with KMS key {key.arn}.",
        )
    for material in known.values():
        if material.state in _PENDING:
            raise KMSError(
                "KMSInvalidStateException",
                f"New key material (id: {asked.material_id}) cannot be imported into KMS key "
                f"{key.arn}, because another key material (id: {material.material_id}) is pending "
                "rotation.",
            )


def _tell_relatives(edit: Edit, key: Key, material: Material) -> None:
    """Let related keys know the id of what was imported, and see whether all of them have it."""
    family = edit.related(key)
    for member in family:
        if all(found.material_id != material.material_id for found in edit.materials(member)):
            edit.put_material(replace(material, region=member.region, wrapped=b"", expires_at=None))
    if not material.bound:
        tell_of_pending(edit, family)


def _forget(edit: Edit, key: Key, material: Material) -> None:
    """Material that waits for its first rotation goes, in every Region, as if it had never been."""
    for member in edit.related(key) if key.multi_region else [key]:
        edit.remove_material(replace(material, region=member.region))
        if member.region != key.region:
            edit.put_key(after_materials_changed(member, edit.materials(member)))
