"""Kills a process at every write to the key store that a mutating operation makes.

For each scenario a folder is prepared and the operation is run once to count its writes. Then, for
each write, a child runs the operation on a copy of the folder and dies by SIGKILL in the middle of
that write. What is left must be the old state or the new one, with every invariant of the store:
the database is whole, every key has its materials, and they open.

    scripts/faults/key-store [SCENARIO …]
"""

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apsw
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.serialization import load_der_public_key
from workplace import workplace

from kms.aws import arn
from kms.aws.audit import NullSink
from kms.aws.clock import FixedClock
from kms.aws.identity import Caller, Principal, PrincipalKind
from kms.root import KeyFile
from kms.service import Service
from kms.store import Store
from kms.store_rows import KEY_COLUMNS, key_from_row

ACCOUNT, REGION, AWAY = "111122223333", "us-east-1", "eu-west-1"
START = 1_700_000_000.0
DAY = 86_400
DATABASE = "keys.db"
TABLES = ("keys", "materials", "aliases", "grants")
RANDOM_COLUMNS = ("key_id", "material_id", "grant_id", "token")
ROOT = Principal(PrincipalKind.ROOT, ACCOUNT, arn.account_root(ACCOUNT), ACCOUNT)


class Fuse:
    """Counts the writes to the database and its log; kills the process in the fatal one."""

    def __init__(self) -> None:
        self.writes = 0
        self.fatal = 0

    def burn(self) -> bool:
        """Count a write; whether it is the one to die in."""
        self.writes += 1
        return self.writes == self.fatal


FUSE = Fuse()


class File(apsw.VFSFile):
    """A file whose writes burn the fuse; the fatal one gets half of its bytes onto the disk."""

    def __init__(self, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        path = name if isinstance(name, str) else name.filename()
        self._counts = DATABASE in path

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._counts and FUSE.burn():
            super().xWrite(data[: len(data) // 2], offset)
            os.kill(os.getpid(), signal.SIGKILL)
        super().xWrite(data, offset)


class Files(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("fuse", "unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> File:
        return File(name, flags)


class World:
    """A KMS in a folder, at a time, called as the account's root."""

    def __init__(self, folder: Path, now: float) -> None:
        self.clock = FixedClock(now)
        self.store = Store.open(folder, KeyFile(folder / "root.key"))
        self.service = Service(self.store, clock=self.clock, audit=NullSink())
        self.caller = Caller(ROOT, "AKIAFAULT", REGION, "request")

    def __call__(self, operation: str, region: str = REGION, **members: Any) -> dict[str, Any]:
        return self.service.call(operation, members, replace(self.caller, region=region))

    def key(self, **members: Any) -> str:
        made: str = self("CreateKey", **members)["KeyMetadata"]["Arn"]
        return made

    def sealed_material(self, key_id: str, material: bytes, region: str = REGION) -> dict[str, Any]:
        """The members of an ImportKeyMaterial."""
        parameters = self(
            "GetParametersForImport",
            region,
            key_id=key_id,
            wrapping_algorithm="RSAES_OAEP_SHA_256",
            wrapping_key_spec="RSA_2048",
        )
        public = load_der_public_key(parameters["PublicKey"])
        padding = OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None)
        return {
            "key_id": key_id,
            "import_token": parameters["ImportToken"],
            "encrypted_key_material": public.encrypt(material, padding),
            "expiration_model": "KEY_MATERIAL_DOES_NOT_EXPIRE",
        }


@contextmanager
def opened(folder: Path, now: float) -> Iterator[World]:
    world = World(folder, now)
    try:
        yield world
    finally:
        world.store.close()


Mutation = Callable[[World], object]
Prepare = Callable[[World], Mutation]


def calls(operation: str, region: str = REGION, **members: Any) -> Mutation:
    return lambda world: world(operation, region, **members)


def passes(seconds: float) -> Mutation:
    """Time passes, and the schedule does what is due."""

    def run(world: World) -> None:
        world.clock.advance(seconds)
        world.service.schedule.run(world.clock.now())

    return run


def on_a_key(operation: str, *before: tuple[str, dict[str, Any]], **members: Any) -> Prepare:
    """A scenario of one key: what is done to it before, and what is done to it."""

    def prepare(world: World) -> Mutation:
        key_id = world.key(tags=[{"TagKey": "old", "TagValue": ""}])
        for name, given in before:
            world(name, key_id=key_id, **given)
        return calls(operation, key_id=key_id, **members)

    return prepare


def aliased(operation: str) -> Prepare:
    def prepare(world: World) -> Mutation:
        first, second = world.key(), world.key()
        world("CreateAlias", alias_name="alias/a", target_key_id=first)
        target = {} if operation == "DeleteAlias" else {"target_key_id": second}
        name = "alias/b" if operation == "CreateAlias" else "alias/a"
        return calls(operation, alias_name=name, **target)

    return prepare


def granted(operation: str) -> Prepare:
    def prepare(world: World) -> Mutation:
        key_id = world.key()
        made = world(
            "CreateGrant", key_id=key_id, grantee_principal=ROOT.arn, operations=["Encrypt"]
        )
        return calls(operation, key_id=key_id, grant_id=made["GrantId"])

    return prepare


def family(world: World, **members: Any) -> str:
    """A multi-Region key with a replica."""
    key_id = world.key(multi_region=True, **members)
    if members:
        world("ImportKeyMaterial", **world.sealed_material(key_id, bytes(32)))
    world("ReplicateKey", key_id=key_id, replica_region=AWAY)
    passes(5)(world)
    return key_id


def replicating(world: World) -> Mutation:
    return calls("ReplicateKey", key_id=world.key(multi_region=True), replica_region=AWAY)


def moving_the_primary(world: World) -> Mutation:
    return calls("UpdatePrimaryRegion", key_id=family(world), primary_region=AWAY)


def rotating_everywhere(world: World) -> Mutation:
    world("RotateKeyOnDemand", key_id=family(world))
    return passes(100)


def rotating_by_schedule(world: World) -> Mutation:
    world("EnableKeyRotation", key_id=world.key(), rotation_period_in_days=90)
    return passes(90 * DAY)


def importing(world: World) -> Mutation:
    return calls(
        "ImportKeyMaterial", **world.sealed_material(world.key(origin="EXTERNAL"), bytes(32))
    )


def importing_more(world: World) -> Mutation:
    key_id = family(world, origin="EXTERNAL")
    sealed = world.sealed_material(key_id, b"2" * 32)
    return calls("ImportKeyMaterial", import_type="NEW_KEY_MATERIAL", **sealed)


def expiring(world: World) -> Mutation:
    sealed = world.sealed_material(world.key(origin="EXTERNAL"), bytes(32))
    valid_to = world.clock.now() + DAY
    world(
        "ImportKeyMaterial",
        **{**sealed, "expiration_model": "KEY_MATERIAL_EXPIRES", "valid_to": valid_to},
    )
    return passes(DAY)


def forgetting(world: World) -> Mutation:
    key_id = family(world, origin="EXTERNAL")
    sealed = world.sealed_material(key_id, b"2" * 32)
    made = world("ImportKeyMaterial", import_type="NEW_KEY_MATERIAL", **sealed)
    return calls("DeleteImportedKeyMaterial", key_id=key_id, key_material_id=made["KeyMaterialId"])


def destroying(world: World) -> Mutation:
    key_id = world.key()
    world("CreateAlias", alias_name="alias/a", target_key_id=key_id)
    world("CreateGrant", key_id=key_id, grantee_principal=ROOT.arn, operations=["Encrypt"])
    world("ScheduleKeyDeletion", key_id=key_id, pending_window_in_days=7)
    return passes(7 * DAY)


def destroying_a_replica(world: World) -> Mutation:
    key_id = family(world)
    world("ScheduleKeyDeletion", key_id=key_id, pending_window_in_days=7)
    name = key_id.rpartition("/")[2]
    world("ScheduleKeyDeletion", AWAY, key_id=name, pending_window_in_days=7)
    return passes(7 * DAY)


DELETION = ("ScheduleKeyDeletion", {})
DISABLED = ("DisableKey", {})
ROTATION = ("EnableKeyRotation", {})
NEW_TAG = [{"TagKey": "new", "TagValue": "x"}]
POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"'
    f'{ROOT.arn}"}},"Action":"kms:*","Resource":"*"}}]}}'
)
SCENARIOS: dict[str, Prepare] = {
    "CreateKey": lambda world: calls("CreateKey", description="d", tags=NEW_TAG),
    "CreateKey by S3": lambda world: calls("DescribeKey", key_id="alias/aws/s3"),
    "EnableKey": on_a_key("EnableKey", DISABLED),
    "DisableKey": on_a_key("DisableKey"),
    "ScheduleKeyDeletion": on_a_key("ScheduleKeyDeletion"),
    "CancelKeyDeletion": on_a_key("CancelKeyDeletion", DELETION),
    "UpdateKeyDescription": on_a_key("UpdateKeyDescription", description="d"),
    "TagResource": on_a_key("TagResource", tags=NEW_TAG),
    "UntagResource": on_a_key("UntagResource", tag_keys=["old"]),
    "PutKeyPolicy": on_a_key("PutKeyPolicy", policy=POLICY),
    "EnableKeyRotation": on_a_key("EnableKeyRotation"),
    "DisableKeyRotation": on_a_key("DisableKeyRotation", ROTATION),
    "RotateKeyOnDemand": on_a_key("RotateKeyOnDemand"),
    "CreateGrant": on_a_key("CreateGrant", grantee_principal=ROOT.arn, operations=["Encrypt"]),
    "RevokeGrant": granted("RevokeGrant"),
    "RetireGrant": granted("RetireGrant"),
    "CreateAlias": aliased("CreateAlias"),
    "UpdateAlias": aliased("UpdateAlias"),
    "DeleteAlias": aliased("DeleteAlias"),
    "ImportKeyMaterial": importing,
    "ImportKeyMaterial, more": importing_more,
    "DeleteImportedKeyMaterial": forgetting,
    "ReplicateKey": replicating,
    "UpdatePrimaryRegion": moving_the_primary,
    "rotation on demand": rotating_everywhere,
    "rotation by schedule": rotating_by_schedule,
    "expiry": expiring,
    "deletion": destroying,
    "deletion of a replica": destroying_a_replica,
}


@dataclass(frozen=True, slots=True)
class State:
    """What a store holds; names that are random and new are all called "new"."""

    tables: tuple[tuple[tuple[tuple[str, Any], ...], ...], ...]


def state_of(folder: Path, known: frozenset[str]) -> State:
    database = apsw.Connection(str(folder / DATABASE))
    tables = []
    for table in TABLES:
        cursor = database.execute(f"SELECT * FROM {table}")
        rows = [
            tuple(_shown(column[0], value, known) for column, value in zip(heads, row, strict=True))
            for row in cursor
            for heads in (cursor.get_description(),)
        ]
        tables.append(tuple(sorted(rows, key=repr)))
    database.close()
    return State(tuple(tables))


def _shown(column: str, value: Any, known: frozenset[str]) -> tuple[str, Any]:
    if column == "wrapped":
        return column, bool(value)
    if column in RANDOM_COLUMNS and value and str(value) not in known:
        return column, "new"
    return column, value


def names_of(folder: Path) -> frozenset[str]:
    database = apsw.Connection(str(folder / DATABASE))
    names = set()
    for table in TABLES:
        cursor = database.execute(f"SELECT * FROM {table}")
        for row in cursor:
            heads = [column[0] for column in cursor.get_description()]
            names |= {str(row[heads.index(name)]) for name in RANDOM_COLUMNS if name in heads}
    database.close()
    return frozenset(names)


def check(folder: Path) -> None:
    """The invariants that hold in every state. Raises AssertionError, RootError or StoreError."""
    database = apsw.Connection(str(folder / DATABASE))
    assert database.pragma("integrity_check") == "ok"
    columns = "account, region, key_id"
    orphans = " UNION ALL ".join(
        f"SELECT 1 FROM {table} WHERE ({columns}) NOT IN (SELECT {columns} FROM keys)"
        for table in ("materials", "aliases", "grants")
    )
    assert list(database.execute(orphans)) == [], "something belongs to no key"
    keys = [key_from_row(row) for row in database.execute(f"SELECT {KEY_COLUMNS} FROM keys")]
    database.close()
    store = Store.open(folder, KeyFile(folder / "root.key"))
    try:
        for key in keys:
            materials = store.materials(key)
            current = [one for one in materials if one.state == "CURRENT"]
            assert [one.material_id for one in current] == ([key.material_id] * len(current))
            assert bool(current) == bool(key.material_id)
            for material in materials:
                if material.wrapped:
                    store.backing_key(key.account, key.region, material.material_id)
    finally:
        store.close()


def run_child(folder: Path, now: float, mutation: Mutation, fatal: int) -> tuple[int, int]:
    """Run a mutation in a child that dies in the write `fatal`; its signal and its writes."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with opened(folder, now) as world:
                FUSE.writes, FUSE.fatal = 0, fatal
                mutation(world)
                FUSE.fatal = 0
                os.write(writer, str(FUSE.writes).encode())
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        writes = int(answer.read() or 0)
    _, status = os.waitpid(child, 0)
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0), writes


def run_scenario(name: str, base: Path) -> int:
    """How many deaths a scenario survived. Raises AssertionError."""
    prepared = base / "prepared"
    with opened(prepared, START) as world:
        mutation = SCENARIOS[name](world)
        now = world.clock.now()
    known = names_of(prepared)
    old = state_of(prepared, known)
    done = base / "done"
    shutil.copytree(prepared, done)
    died, writes = run_child(done, now, mutation, 0)
    assert (died, writes > 0) == (0, True), f"{name}: the operation itself failed"
    new = state_of(done, known)
    assert new != old, f"{name}: nothing changed"
    check(done)
    for fatal in range(1, writes + 1):
        victim = base / f"victim-{fatal}"
        shutil.copytree(prepared, victim)
        died, _ = run_child(victim, now, mutation, fatal)
        assert died == signal.SIGKILL, f"{name}: write {fatal} never came"
        check(victim)
        assert state_of(victim, known) in (old, new), f"{name}: half done by write {fatal}"
        shutil.rmtree(victim)
    return writes


def main(names: list[str]) -> None:
    files = Files()
    total = 0
    for name in names or SCENARIOS:
        with workplace("key-faults") as base:
            deaths = run_scenario(name, base)
        total += deaths
        print(f"{name}: {deaths} deaths, old or new each time", flush=True)  # noqa: T201
    files.unregister()
    print(f"survived {total} deaths")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
