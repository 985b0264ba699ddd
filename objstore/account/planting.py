"""Makes the identities of a seed that do not exist yet, in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from objstore.account.entities import GROUP, POLICY, ROLE, arn_for
from objstore.account.ids import secret_name, stable_unique_id
from objstore.account.managed import find_policy
from objstore.account.relations import ATTACHED, BOUNDARY, MEMBER
from objstore.account.seed import SeedError, SeedIdentity
from objstore.account.trust import trust_attributes
from objstore.storage.index_identities import IdentityRows
from objstore.storage.records import AccessKey, Document, Identity

Seal = Callable[[str, bytes], bytes]


def plant(rows: IdentityRows, seeds: Sequence[SeedIdentity], *, seal: Seal, now_ms: int) -> None:
    """Add what is missing; what exists stays as it is. Raises SeedError for a name of nothing."""
    roles: list[Identity] = []
    for seed in seeds:
        identity = rows.get(seed.account, seed.kind, seed.name)
        if identity is None:
            identity = _add(rows, seed, now_ms)
            roles += [identity] if seed.kind == ROLE.row else []
        if seed.access_key_id and rows.key(seed.access_key_id) is None:
            secret = seed.secret_access_key.encode()
            sealed = seal(secret_name(seed.access_key_id), secret)
            rows.put_key(
                AccessKey(
                    seed.access_key_id, seed.account, identity.unique_id, now_ms, True, sealed
                )
            )

    for role in roles:
        # Once all are there: a role may trust one that is planted after it.
        trust = trust_attributes(rows, role.attributes["trust"], lenient=True)
        rows.update(replace(role, attributes={**role.attributes, **trust}))


def _add(rows: IdentityRows, seed: SeedIdentity, now_ms: int) -> Identity:
    attributes = dict(seed.attributes)
    if seed.kind == POLICY.row:
        attributes["updated_ms"] = now_ms
    unique_id = stable_unique_id(seed.kind, seed.account, seed.name)
    identity = Identity(
        seed.account, seed.kind, seed.name, unique_id, seed.path, now_ms, attributes
    )
    rows.add(identity)
    for name, text in seed.inline.items():
        rows.put_document(Document(unique_id, name, now_ms, text))
    for policy_arn in seed.policies:
        rows.link(seed.account, ATTACHED, unique_id, _policy(rows, seed, policy_arn))
    if "boundary" in attributes:
        boundary = _policy(rows, seed, attributes["boundary"])
        rows.link(seed.account, BOUNDARY, unique_id, boundary)
    for name in seed.groups:
        group = rows.get(seed.account, GROUP.row, name)
        if group is None:
            missing = arn_for(GROUP, seed.account, name)
            raise SeedError(f"{seed.kind} {seed.name!r} is to be in {missing}, which is missing")
        rows.link(seed.account, MEMBER, unique_id, group.unique_id)
    return identity


def _policy(rows: IdentityRows, seed: SeedIdentity, policy_arn: str) -> str:
    if find_policy(rows, seed.account, policy_arn) is None:
        raise SeedError(f"{seed.kind} {seed.name!r} needs {policy_arn}, which is missing")
    return policy_arn
