"""Temporary credentials: everything about a session is sealed into its token.

So any worker verifies a session without a row, and only what the issuer may do now is looked up.
The token is bound to its access key id; the clock that ends it is wall time.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kms.aws.clock import Clock
from kms.aws.identity import PrincipalKind
from objstore.account.ids import TEMPORARY, new_access_key_id, new_secret
from objstore.account.sealing import SealError, Sealing

PURPOSE = "session"
TOKEN_BYTES_MAX = 64 * 1024  # of what is in a token, unpacked


@dataclass(frozen=True, slots=True)
class Grant:
    """What a new session is to be.

    `kind` is that of its principal; `issuer_id` the unique id of the role or user, or a root's
    account; `name` the name of the session. `policies` are texts and `policy_arns` managed
    policies that limit it, neither of them if `limited` is false. `source` holds what else the
    principal's session tells (source identity, provider).
    """

    kind: PrincipalKind
    account: str
    issuer_id: str
    name: str = ""
    limited: bool = False
    policies: tuple[str, ...] = ()
    policy_arns: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()
    source_identity: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A session as its token tells it."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    issued_at: float
    expires_at: float
    grant: Grant


class Sessions:
    """Issues sessions and reads their tokens."""

    def __init__(self, sealing: Sealing, wall: Clock) -> None:
        self._sealing = sealing
        self._wall = wall

    def issue(self, grant: Grant, seconds: int) -> tuple[Ticket, str]:
        """A new session that ends after so many seconds, and its token."""
        now = int(self._wall.now())
        ticket = Ticket(
            new_access_key_id(TEMPORARY, grant.account), new_secret(), now, now + seconds, grant
        )
        return ticket, self._sealing.seal(PURPOSE, _pack(ticket))

    def read(self, access_key_id: str, token: str) -> Ticket | None:
        """The session of a token; None if it is not that of this access key id, or no token."""
        try:
            ticket = _unpack(self._sealing.open(PURPOSE, token))
        except SealError:
            return None
        return ticket if ticket.access_key_id == access_key_id else None


def packed_bytes(grant: Grant) -> int:
    """How much of a token the policies and tags of a session take."""
    text = json.dumps([grant.policies, grant.policy_arns, list(grant.tags.items())])
    return len(zlib.compress(text.encode(), 9))


def _pack(ticket: Ticket) -> bytes:
    grant = ticket.grant
    values = [
        ticket.access_key_id,
        ticket.secret_access_key,
        ticket.issued_at,
        ticket.expires_at,
        grant.kind.value,
        grant.account,
        grant.issuer_id,
        grant.name,
        grant.limited,
        grant.policies,
        grant.policy_arns,
        dict(grant.tags),
        grant.transitive,
        grant.source_identity,
        grant.provider,
    ]
    return zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 9)


def _unpack(packed: bytes) -> Ticket:
    values: list[Any] = json.loads(zlib.decompressobj().decompress(packed, TOKEN_BYTES_MAX))
    access_key_id, secret, issued_at, expires_at, kind, account, issuer_id, name, *rest = values
    limited, policies, policy_arns, tags, transitive, source_identity, provider = rest
    grant = Grant(
        PrincipalKind(kind),
        account,
        issuer_id,
        name,
        limited,
        tuple(policies),
        tuple(policy_arns),
        tags,
        tuple(transitive),
        source_identity,
        provider,
    )
    return Ticket(access_key_id, secret, issued_at, expires_at, grant)
