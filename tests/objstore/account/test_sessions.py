import base64

import pytest

from kms.aws.clock import FixedClock
from kms.aws.identity import PrincipalKind
from objstore.account.sealing import Sealing
from objstore.account.sessions import Grant, Sessions, packed_bytes

GRANT = Grant(
    PrincipalKind.ASSUMED_ROLE,
    "123456789012",
    "AROA1",
    "me",
    limited=True,
    policies=('{"Version": "2012-10-17"}',),
    policy_arns=("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",),
    tags={"team": "ä"},
    transitive=("team",),
    source_identity="alice",
    provider="arn:aws:iam::123456789012:oidc-provider/example.com",
)


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(Sealing(bytes(32)), FixedClock(1_000.5))


def test_a_token_tells_the_whole_session(sessions: Sessions) -> None:
    ticket, token = sessions.issue(GRANT, 900)
    assert sessions.read(ticket.access_key_id, token) == ticket
    assert (ticket.issued_at, ticket.expires_at, ticket.grant) == (1000, 1900, GRANT)
    assert ticket.access_key_id.startswith("ASIA")
    assert ticket.secret_access_key not in token
    assert ticket.secret_access_key not in repr(ticket)
    assert ticket.secret_access_key.encode() not in base64.b64decode(token)


def test_a_token_is_bound_to_its_access_key(sessions: Sessions) -> None:
    ticket, token = sessions.issue(GRANT, 900)
    other, other_token = sessions.issue(GRANT, 900)
    assert sessions.read(other.access_key_id, token) is None
    assert sessions.read(ticket.access_key_id, other_token) is None
    assert sessions.read(ticket.access_key_id, token[:-8] + "AAAAAAA=") is None
    assert sessions.read(ticket.access_key_id, "") is None


def test_policies_and_tags_take_room() -> None:
    empty = Grant(PrincipalKind.ASSUMED_ROLE, "1", "AROA1", "me")
    assert packed_bytes(empty) < packed_bytes(GRANT)
