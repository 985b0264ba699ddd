"""The authorization matrix: who, under which policies and grants, may do what in S3 and KMS.

Every operation of S3 here is on an object under SSE-KMS, so that S3 decides about the object and
KMS about its key. Each cell is a signed request to a whole server, and its outcome is compared with
`refused`, which restates on its own terms what AWS documents, in the words of this matrix:

- which permissions an operation needs, in both services: S3 User Guide, "Using server-side
  encryption with AWS KMS keys" and "Multipart upload API and permissions";
- explicit denies, policies of one account and of two, boundaries and session policies: IAM User
  Guide, "Policy evaluation logic", "Policy evaluation for requests within a single account",
  "Cross-account policy evaluation logic", "Permissions boundaries for IAM entities";
- keys: KMS Developer Guide, "Key policies", "Grants in AWS KMS", "Allowing users in other accounts
  to use a KMS key".

`scripts/authorization-matrix` runs the whole product; otherwise a sample is drawn from it.
"""

import asyncio
import itertools
import json
import os
import random
import re
import sys
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

OWN, OTHER = "123456789012", "444455556666"
WHOLE = os.environ.get("OBJSTORE_MATRIX") == "whole"
SAMPLE, SOCKET_SAMPLE, SEED_OF_SAMPLE = 12_000, 400, 4_711
AT_ONCE = 32
HOUSE = "house"  # a user in each account who prepares what cells need; every policy lets him in

# What the caller's own policies can say: the actions that they allow, and those that they deny.
Words = tuple[tuple[str, ...], tuple[str, ...]]
WORDS: Mapping[str, Words] = {
    "all": (("s3:*", "kms:*"), ()),
    "s3": (("s3:*",), ()),
    "kms": (("kms:*",), ()),
    "reading": (("s3:GetObject", "kms:Decrypt"), ()),
    "all but s3": (("s3:*", "kms:*"), ("s3:*",)),
    "all but kms": (("s3:*", "kms:*"), ("kms:*",)),
}
ABSENT, NONE = "", ((), ())
IDENTITIES = (ABSENT, *WORDS)
LIMITS = (ABSENT, "all", "s3", "kms", "all but kms")  # of boundaries and of session policies

# How the policy of a bucket or a key names the caller, if at all, and whom a grant is for.
NOBODY, SELF, ROLE, ACCOUNT, EVERYBODY = "nobody", "self", "role", "account", "everybody"
DENIED = "everybody is denied"
NAMINGS = (NOBODY, SELF, ROLE, ACCOUNT, EVERYBODY, DENIED)
GRANTEES = (NOBODY, SELF, ROLE, ACCOUNT)
GRANTED = ("Encrypt", "Decrypt", "GenerateDataKey", "CreateGrant")

# "Required permissions" of each operation.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "PutObject": ("s3:PutObject", "kms:GenerateDataKey"),
    "GetObject": ("s3:GetObject", "kms:Decrypt"),
    "CopyObject": ("s3:PutObject", "s3:GetObject", "kms:Decrypt", "kms:GenerateDataKey"),
    "CreateMultipartUpload": ("s3:PutObject", "kms:GenerateDataKey"),
    "UploadPart": ("s3:PutObject", "kms:Decrypt"),
    "CompleteMultipartUpload": ("s3:PutObject",),
    "CompleteMultipartUpload with checksums": ("s3:PutObject", "kms:Decrypt"),
    "Encrypt": ("kms:Encrypt",),
    "Decrypt": ("kms:Decrypt",),
    "GenerateDataKey": ("kms:GenerateDataKey",),
    "CreateGrant": ("kms:CreateGrant",),
    "ScheduleKeyDeletion": ("kms:ScheduleKeyDeletion",),
}
KMS_OPERATIONS = frozenset(name for name, needs in NEEDS.items() if needs[0].startswith("kms:"))


class Who(NamedTuple):
    """A caller, and what the policies say that limit or allow him."""

    kind: str
    account: str
    identity: str = ABSENT
    boundary: str = ABSENT
    session: str = ABSENT

    @property
    def name(self) -> str:
        """The name of the user or the role."""
        return f"{self.kind}-{IDENTITIES.index(self.identity)}-{LIMITS.index(self.boundary)}"

    def arn(self, how: str) -> str:
        """The ARN by which a policy or a grant names him."""
        if how == ACCOUNT or self.kind in ("root", "anonymous"):
            return f"arn:aws:iam::{self.account}:root"
        if self.kind == "user":
            return f"arn:aws:iam::{self.account}:user/{self.name}"
        if how == ROLE:
            return f"arn:aws:iam::{self.account}:role/{self.name}"
        return f"arn:aws:sts::{self.account}:assumed-role/{self.name}/one"


class Cell(NamedTuple):
    """One request: who asks for what, of a bucket and a key under which policies."""

    who: Who
    operation: str
    bucket: str
    key: str
    grant: str


def people() -> Iterator[Who]:
    for account in (OWN, OTHER):
        yield Who("root", account)
        for identity, boundary in itertools.product(IDENTITIES, LIMITS):
            yield Who("user", account, identity, boundary)
            for session in LIMITS:
                yield Who("session", account, identity, boundary, session)
    yield Who("anonymous", OWN)


def namings(who: Who, all_of_them: tuple[str, ...]) -> Iterator[str]:
    """Those that differ for this caller: only a session has a role, and nothing names nobody."""
    without = {"session": (), "user": (ROLE,), "root": (SELF, ROLE)}
    skipped = without.get(who.kind, (SELF, ROLE, ACCOUNT))
    return (naming for naming in all_of_them if naming not in skipped)


def cells() -> Iterator[Cell]:
    for who in PEOPLE:
        for key, grant in itertools.product(namings(who, NAMINGS), namings(who, GRANTEES)):
            for operation in NEEDS:
                in_s3 = operation not in KMS_OPERATIONS
                buckets = namings(who, NAMINGS) if in_s3 else iter((NOBODY,))
                for bucket in buckets:
                    yield Cell(who, operation, bucket, key, grant)


def sample(count: int) -> list[Cell]:
    """The few cells of roots and of the anonymous, and as many others as there is room for."""
    chance = random.Random(SEED_OF_SAMPLE)
    others = [cell for cell in cells() if cell.who.kind in ("user", "session")]
    few = [cell for cell in cells() if cell.who.kind not in ("user", "session")]
    return chance.sample(few, min(len(few), count // 4)) + chance.sample(others, count)


PEOPLE = tuple(people())


# What AWS documents.


def refused(cell: Cell) -> list[str]:
    """The permissions that the operation needs and the caller has not."""
    return [action for action in NEEDS[cell.operation] if not is_allowed(cell, action)]


def is_allowed(cell: Cell, action: str) -> bool:
    who, of_key = cell.who, action.startswith("kms:")
    named = cell.key if of_key else cell.bucket
    # "If any policy has an explicit deny, the request is denied."
    if named == DENIED or any(
        matches(WORDS[said][1], action)
        for said in (who.identity, who.boundary, who.session)
        if said
    ):
        return False
    # "AWS KMS does not accept anonymous requests."
    if who.kind == "anonymous":
        return named == EVERYBODY and not of_key
    ways = {named} - {NOBODY}
    # "Grant operations": deletion is not among them.
    if of_key and action.removeprefix("kms:") in GRANTED:
        ways |= {cell.grant} - {NOBODY}
    # "The effective permissions are the intersection of" identity, boundary and session policies.
    within = all(matches(WORDS[limit][0], action) for limit in (who.boundary, who.session) if limit)
    by_identity = within and (
        who.kind == "root" or matches(WORDS.get(who.identity, NONE)[0], action)
    )
    if who.account != OWN:
        # "The request is allowed only if both evaluations return a decision of Allow", and
        # "Cross-account use" of ScheduleKeyDeletion: "No".
        return bool(ways) and by_identity and action != "kms:ScheduleKeyDeletion"
    # "Every KMS key must have a key policy … IAM policies by themselves are not sufficient";
    # elsewhere "either the resource-based policy or the identity-based policy" suffices.
    allowed_by = {ACCOUNT: by_identity, ROLE: within, SELF: True}
    # "Implicit denies in boundary and session policies limit" what is given to a role, not what is
    # given to a user or to the session itself.
    allowed_by[EVERYBODY] = within if who.kind == "session" else True
    if not of_key and by_identity:
        return True
    return any(allowed_by[way] for way in ways)


def matches(patterns: tuple[str, ...], action: str) -> bool:
    return any(pattern in (action, f"{action.partition(':')[0]}:*") for pattern in patterns)


# The server that is asked.

BODY = b"matrix"
PLAINTEXT = b64encode(BODY).decode()


Key = tuple[str, ...]  # an access key id, its secret, and a session's token
ROOTS: Mapping[str, Key] = {OWN: ("test", "test"), OTHER: ("AKIAOTHERROOT0000000", "other")}


def crc32_of(body: bytes) -> str:
    return b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def own_policy(said: str) -> str:
    """A policy of a user, a role or a session."""
    allowed, denied = WORDS[said]
    allow = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
    deny = {"Effect": "Deny", "Action": denied, "Resource": "*"}
    return document(allow, deny) if denied else document(allow)


def resource_policy(how: str, service: str, resources: list[str]) -> str:
    """The policy of a bucket or a key that names all callers in the same way."""
    rest = {"Action": f"{service}:*", "Resource": resources}
    house = {"AWS": f"arn:aws:iam::{OWN}:user/{HOUSE}"}
    statements: list[Mapping[str, Any]] = [{"Effect": "Allow", "Principal": house, **rest}]
    if how == EVERYBODY:
        statements.append({"Effect": "Allow", "Principal": "*", **rest})
    elif how == DENIED:
        but_the_house = {"StringNotEquals": {"aws:username": HOUSE}}
        statements.append({"Effect": "Deny", "Principal": "*", "Condition": but_the_house, **rest})
    elif how != NOBODY:
        named = [who for who in PEOPLE if how == ACCOUNT or who.kind in ("user", "session")]
        listed = {"AWS": sorted({who.arn(how) for who in named})}
        statements.append({"Effect": "Allow", "Principal": listed, **rest})
    return document(*statements)


def seed() -> str:
    """All users and roles with their policies, in the seed file's format."""
    lines = [f'[[accounts]]\nid = "{OTHER}"', *access_key(ROOTS[OTHER])]
    for account in (OWN, OTHER):
        everything = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
        lines += [f'[[users]]\naccount = "{account}"\nname = "{HOUSE}"']
        lines += [f"inline = {{ own = '{everything}' }}", *access_key(house_key(account))]
        for said in filter(None, LIMITS):
            lines += [f'[[policies]]\naccount = "{account}"\nname = "{said.replace(" ", "-")}"']
            lines += [f"document = '{own_policy(said)}'"]
    trust = document({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}})
    for who in PEOPLE:
        if who.kind not in ("user", "session") or who.session:
            continue
        table = "users" if who.kind == "user" else "roles"
        lines += [f'[[{table}]]\naccount = "{who.account}"\nname = "{who.name}"']
        lines += access_key(user_key(who)) if who.kind == "user" else [f"trust = '{trust}'"]
        if who.identity:
            lines += [f"inline = {{ own = '{own_policy(who.identity)}' }}"]
        if who.boundary:
            lines += [f'boundary = "{who.boundary.replace(" ", "-")}"']
    return "\n".join(lines)


def access_key(key: Key) -> list[str]:
    return [f'access_key_id = "{key[0]}"', f'secret_access_key = "{key[1]}"']


def house_key(account: str) -> Key:
    return f"AKIAHOUSE{account[:11]}", "house"


def user_key(who: Who) -> Key:
    numbers = who.name.replace("-", "").removeprefix("user")
    return f"AKIAUSER{who.account[:8]}{numbers:>04}", "user"


class World:
    """What the cells are about, prepared by the house when it is needed."""

    def __init__(self, ask: Any) -> None:
        self._ask = ask
        self._made: dict[Any, Any] = {}
        self.uploads: dict[tuple[str, str, bool], list[tuple[str, str, str]]] = {}

    async def house(self, *request: Any, account: str = OWN, **more: Any) -> Any:
        answer = await self._ask(*request, key=house_key(account), **more)
        assert answer.status < 300, answer.body
        return answer

    async def once(self, name: Any, make: Callable[..., Any], *arguments: Any) -> Any:
        """What `make` makes of `arguments`, made at the first time."""
        if name not in self._made:
            self._made[name] = await make(*arguments)
        return self._made[name]

    async def kms(self, operation: str, **members: Any) -> Any:
        return await self.house(*call_of_kms(operation, members), service="kms")

    async def key_of(self, who: Who) -> Key | None:
        """The access key of a caller; none for the anonymous."""
        if who.kind == "session":
            return await self.once(who, self._assume, who)  # type: ignore[no-any-return]
        return {"root": ROOTS[who.account], "user": user_key(who)}.get(who.kind)

    async def _assume(self, who: Who) -> Key:
        form = {"Action": "AssumeRole", "RoleArn": who.arn(ROLE), "RoleSessionName": "one"}
        form |= {"Policy": own_policy(who.session)} if who.session else {}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        body = urlencode({**form, "Version": "2011-06-15"}).encode()
        made = await self.house("POST", "/", headers, body, account=who.account, service="sts")
        return tuple(made.member(n) for n in ("AccessKeyId", "SecretAccessKey", "SessionToken"))

    async def make_bucket(self, how: str) -> str:
        name = f"bucket-{NAMINGS.index(how)}"
        await self.house("PUT", f"/{name}")
        await self.house("DELETE", f"/{name}?publicAccessBlock=")
        if how != NOBODY:
            resources = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
            policy = resource_policy(how, "s3", resources).encode()
            headers = {"x-amz-checksum-crc32": crc32_of(policy)}
            await self.house("PUT", f"/{name}?policy=", headers, policy)
        return name

    async def kms_key(self, cell: Cell, *, doomed: bool = False) -> str:
        """A key's ARN, with the grant of the cell; a doomed one is pending deletion already."""
        name = (cell.key, cell.grant, doomed)
        arn: str = await self.once(name, self._make_key, cell.key, doomed)
        if cell.grant != NOBODY and not doomed:
            grantee = cell.who.arn(cell.grant)
            grant = partial(self.kms, KeyId=arn, GranteePrincipal=grantee, Operations=GRANTED)
            await self.once((name, grantee), grant, "CreateGrant")
        return arn

    async def _make_key(self, how: str, doomed: bool) -> str:
        policy = resource_policy(how, "kms", ["*"])
        made = await self.kms("CreateKey", Policy=policy, BypassPolicyLockoutSafetyCheck=True)
        if doomed:
            await self.kms("ScheduleKeyDeletion", KeyId=made.member("Arn"))
        return str(made.member("Arn"))

    async def ciphertext(self, arn: str) -> str:
        encrypt = partial(self.kms, KeyId=arn, Plaintext=PLAINTEXT)
        made = await self.once(("ciphertext", arn), encrypt, "Encrypt")
        return str(made.member("CiphertextBlob"))

    async def upload(self, path: str, arn: str, *, checksums: bool) -> tuple[str, str, str]:
        """An upload of one part, which is nobody else's: its id, the part's ETag and checksum.

        One that a cell did not complete goes back to `uploads`.
        """
        waiting = self.uploads.setdefault((path, arn, checksums), [])
        if waiting:
            return waiting.pop()
        headers = {"x-amz-checksum-algorithm": "CRC32"} if checksums else {}
        begun = await self.house("POST", f"{path}?uploads=", {**sealed_by(arn), **headers})
        upload = begun.member("UploadId")
        with_sum = {"x-amz-checksum-crc32": crc32_of(BODY)} if checksums else {}
        target = f"{path}?partNumber=1&uploadId={upload}"
        part = await self.house("PUT", target, with_sum, BODY)
        return upload, part.headers["etag"], crc32_of(BODY) if checksums else ""


def sealed_by(arn: str) -> dict[str, str]:
    return {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": arn,
    }


def call_of_kms(operation: str, members: Mapping[str, Any]) -> tuple[Any, ...]:
    headers = {"x-amz-target": f"TrentService.{operation}"}
    return "POST", "/", headers, json.dumps(members).encode()


@dataclass(frozen=True, slots=True)
class Prepared:
    """The request of a cell; `undo` is for one that was refused."""

    cell: Cell
    key: Key | None
    request: tuple[Any, ...]
    undo: Callable[[], None] = lambda: None


async def prepare(world: World, cell: Cell) -> Prepared:
    key = await world.key_of(cell.who)
    doomed = cell.operation == "ScheduleKeyDeletion"
    arn = await world.kms_key(cell, doomed=doomed)
    if cell.operation in KMS_OPERATIONS:
        return Prepared(cell, key, await kms_request(world, cell.operation, arn))
    bucket = await world.once(cell.bucket, world.make_bucket, cell.bucket)
    path = f"/{bucket}/{arn.rpartition('/')[2]}"
    source = f"{path}/source"
    await world.once(source, world.house, "PUT", source, sealed_by(arn), BODY)
    match cell.operation:
        case "PutObject":
            return Prepared(cell, key, ("PUT", f"{path}/put", sealed_by(arn), BODY))
        case "GetObject":
            return Prepared(cell, key, ("GET", source))
        case "CopyObject":
            headers = {**sealed_by(arn), "x-amz-copy-source": source}
            return Prepared(cell, key, ("PUT", f"{path}/copy", headers))
        case "CreateMultipartUpload":
            return Prepared(cell, key, ("POST", f"{path}/begun?uploads=", sealed_by(arn)))
    path += "/parts"
    upload = await world.upload(path, arn, checksums=cell.operation.endswith("checksums"))
    named, etag, crc32 = upload
    keep = partial(world.uploads[path, arn, bool(crc32)].append, upload)
    if cell.operation == "UploadPart":
        keep()
        return Prepared(cell, key, ("PUT", f"{path}?partNumber=2&uploadId={named}", {}, BODY))
    with_sum = f"<ChecksumCRC32>{crc32}</ChecksumCRC32>" if crc32 else ""
    part = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag>{with_sum}</Part>"
    listed = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>".encode()
    return Prepared(cell, key, ("POST", f"{path}?uploadId={named}", {}, listed), keep)


async def kms_request(world: World, operation: str, arn: str) -> tuple[Any, ...]:
    bystander = f"arn:aws:iam::{OWN}:user/{HOUSE}"
    members: dict[str, dict[str, Any]] = {
        "Encrypt": {"Plaintext": PLAINTEXT},
        "GenerateDataKey": {"KeySpec": "AES_256"},
        "CreateGrant": {"Name": "n", "GranteePrincipal": bystander, "Operations": ["Encrypt"]},
        "ScheduleKeyDeletion": {},
    }
    if operation == "Decrypt":
        members["Decrypt"] = {"CiphertextBlob": await world.ciphertext(arn)}
    return call_of_kms(operation, {"KeyId": arn, **members[operation]})


def contradiction(prepared: Prepared, answer: Any) -> str:
    """What the answer says against the documentation; "" for nothing."""
    cell, missing = prepared.cell, refused(prepared.cell)
    # Who may delete a key that is pending deletion learns that it is.
    pending = answer.code == "KMSInvalidStateException" and cell.operation == "ScheduleKeyDeletion"
    if pending or (answer.status == 200 and not answer.code):
        if missing:
            return f"allowed without {missing}"
        return "other bytes" if cell.operation == "GetObject" and answer.body != BODY else ""
    codes = {"AccessDenied", "AccessDeniedException"}
    if cell.who.kind == "anonymous":
        # "… require AWS Signature Version 4."
        codes |= {"InvalidArgument", "MissingAuthenticationTokenException"}
    named = re.search(r"not authorized to perform: (\S+)", answer.body.decode())
    if not missing or answer.code not in codes or (named and named[1] not in missing):
        return f"{answer.code} {answer.body!r} where {missing} is missing"
    return ""


async def contradictions(ask: Any, chosen: Sequence[Cell]) -> list[tuple[Cell, str]]:
    world = World(ask)
    found = []

    async def run(prepared: Prepared) -> None:
        service = "kms" if prepared.cell.operation in KMS_OPERATIONS else "s3"
        answer = await ask(*prepared.request, key=prepared.key, service=service)
        said = contradiction(prepared, answer)
        if answer.status != 200 or answer.code:
            prepared.undo()
        if said:
            found.append((prepared.cell, said))

    async with aclosing(ask):
        for start in range(0, len(chosen), AT_ONCE):
            batch = [await prepare(world, cell) for cell in chosen[start : start + AT_ONCE]]
            await asyncio.gather(*map(run, batch))
    return found


@pytest.mark.timeout(3600 if WHOLE else 600)
def test_what_is_documented_happens(
    in_process: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = list(cells()) if WHOLE else sample(SAMPLE)
    found = asyncio.run(contradictions(in_process(seed()), chosen))
    with capsys.disabled():
        sys.stdout.write(f"\nAUTHZMATRIX cases={len(chosen)} contradictions={len(found)}\n")
    assert found == []


def test_it_happens_over_a_socket_too(over_socket: Callable[[str], Any]) -> None:
    assert asyncio.run(contradictions(over_socket(seed()), sample(SOCKET_SAMPLE))) == []


def test_the_sample_has_everything_both_ways() -> None:
    """Each word of each dimension occurs in cells that are allowed and in cells that are not."""
    outcomes: dict[tuple[str, str], set[bool]] = {}
    for cell in sample(SAMPLE):
        for word in (*cell._asdict().items(), *cell.who._asdict().items()):
            if word[0] != "who":
                outcomes.setdefault(word, set()).add(not refused(cell))
    assert [word for word, found in outcomes.items() if len(found) < 2] == [("bucket", DENIED)]
