from typing import Any

import pytest

from kms.aws.clock import FixedClock
from kms.aws.identity import PrincipalKind
from objstore.account.assembly import assemble
from objstore.account.sessions import Grant
from objstore.storage.store import Store


async def test_a_look_up_is_a_dictionary_hit_until_something_changes(world: Any) -> None:
    bob = await world.user("bob", world.policy("s3:GetObject"))
    [key] = (await world.iam("ListAccessKeys", user_name="bob"))["AccessKeyMetadata"]
    found = world.find(key["AccessKeyId"])
    assert world.find(key["AccessKeyId"]) is found
    assert found.principal == bob
    assert (found.principal.kind, found.principal.name) == (PrincipalKind.USER, "bob")
    await world.iam("TagUser", user_name="bob", tags=[{"Key": "team", "Value": "a"}])
    changed = world.find(key["AccessKeyId"])
    assert changed is not found
    assert changed.principal.tags == (("team", "a"),)
    # A text is compiled once, however often principals are made.
    assert changed.principal.policies.identity[0] is found.principal.policies.identity[0]


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("UpdateAccessKey", {"status": "Inactive"}),
        ("DeleteAccessKey", {}),
    ],
)
async def test_a_key_that_is_off_or_gone_is_unknown_in_every_worker(
    world: Any, operation: str, members: dict[str, Any]
) -> None:
    await world.iam("CreateUser", user_name="bob")
    key = (await world.iam("CreateAccessKey", user_name="bob"))["AccessKey"]
    store = Store.open(world.store.folder, wall=FixedClock(0), space_reserve_bytes=0)
    other = assemble(
        world.directory, store.identities, world.secrets, clock=world.clock, wall=world.wall
    ).credentials
    found = other.find(key["AccessKeyId"])
    assert found is not None
    assert found.secret_access_key == key["SecretAccessKey"]
    await world.iam(operation, user_name="bob", access_key_id=key["AccessKeyId"], **members)
    assert other.find(key["AccessKeyId"]) is None
    assert world.accounts.credentials.find(key["AccessKeyId"]) is None
    await store.close()


async def test_secrets_lie_sealed(world: Any) -> None:
    await world.iam("CreateUser", user_name="bob")
    key = (await world.iam("CreateAccessKey", user_name="bob"))["AccessKey"]
    files = [path for path in world.store.folder.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not any(key["SecretAccessKey"].encode() in path.read_bytes() for path in files)


def session(world: Any, principal: Any, **changes: Any) -> tuple[str, str]:
    """A session that a user or role issued, and its token."""
    values = {
        "kind": PrincipalKind.USER,
        "account": principal.account,
        "issuer_id": principal.user_id,
        **changes,
    }
    ticket, token = world.accounts.credentials._sessions.issue(Grant(**values), 900)
    return ticket.access_key_id, token


async def test_sessions_are_found_by_their_tokens(world: Any) -> None:
    bob = await world.user()
    access_key_id, token = session(world, bob)
    found = world.find(access_key_id, token)
    assert (found.session_token, found.expires_at) == (token, world.wall.now() + 900)
    assert found.principal.arn == bob.arn
    assert found.principal.session.issuer_id == bob.user_id
    assert world.find(access_key_id, token) is found
    assert world.accounts.credentials.ticket(access_key_id).access_key_id == access_key_id
    for wrong in (None, "", token[:-4], session(world, bob)[1]):
        assert world.accounts.credentials.find(access_key_id, wrong) is None


async def test_sessions_end_with_their_issuer(world: Any) -> None:
    bob = await world.user()
    access_key_id, token = session(world, bob)
    [key] = (await world.iam("ListAccessKeys", user_name="bob"))["AccessKeyMetadata"]
    await world.iam("DeleteAccessKey", user_name="bob", access_key_id=key["AccessKeyId"])
    assert world.find(access_key_id, token).principal.arn == bob.arn
    await world.iam("DeleteUser", user_name="bob")
    await world.iam("CreateUser", user_name="bob")
    assert world.accounts.credentials.find(access_key_id, token) is None


async def test_uses_are_noted_once_a_minute(world: Any) -> None:
    await world.user()
    [key] = (await world.iam("ListAccessKeys", user_name="bob"))["AccessKeyMetadata"]
    credential = world.find(key["AccessKeyId"])
    noted = []
    for advance, service in ((0, "s3"), (30, "kms"), (40, "sts")):
        world.wall.advance(advance)
        world.accounts.credentials.note_use(credential, service, "us-east-1")
        await world.store.identities.change(lambda rows: None)
        noted.append(world.store.identities.rows.key_use(key["AccessKeyId"]).service)
    assert noted == ["s3", "s3", "sts"]
