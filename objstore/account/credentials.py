"""Whose access key is it? The credentials of a server: root keys, users' access keys, sessions.

A look-up is a dictionary hit until any identity changes; then all that is known is forgotten, and
what the rows say is read again when it is asked for. Belongs to one thread, the event loop's.
"""

from collections.abc import Callable

from kms.aws import sigv4
from kms.aws.clock import Clock
from kms.aws.identity import Credential
from objstore.account.directory import Directory
from objstore.account.ids import secret_name
from objstore.account.principals import session_principal, user_principal
from objstore.account.sessions import Sessions, Ticket
from objstore.storage.index_identities import IdentityRows
from objstore.storage.records import AccessKey, KeyUse
from objstore.storage.store_identities import IdentityStore

KNOWN_MAX = 10_000
USE_SECONDS_MIN = 60

OpenSecret = Callable[[str, bytes], bytearray]


class CredentialFinder:
    """Finds credentials; satisfies `kms.aws.identity.Credentials`."""

    def __init__(
        self,
        directory: Directory,
        identities: IdentityStore,
        sessions: Sessions,
        *,
        open_secret: OpenSecret,
        wall: Clock,
    ) -> None:
        self._directory = directory
        self._identities = identities
        self._sessions = sessions
        self._open_secret = open_secret
        self._wall = wall
        self._generation = -1
        self._known: dict[str, Credential] = {}
        self._tickets: dict[str, Ticket] = {}
        self._used: dict[str, float] = {}

    def find(self, access_key_id: str, session_token: str | None = None) -> Credential | None:
        """The credential of an access key id, and of a session's token if there is one.

        None for a key that does not exist, is switched off, or belongs to nobody any more.
        """
        generation = self._identities.generation()
        if generation != self._generation:
            self._known.clear()
            self._tickets.clear()
            self._generation = generation
        known = self._known.get(access_key_id)
        if known is not None and _same(known.session_token, session_token):
            return known
        found = self._find(access_key_id, session_token)
        if found is not None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
                self._tickets.clear()
            self._known[access_key_id] = found
        return found

    def _find(self, access_key_id: str, session_token: str | None) -> Credential | None:
        fixed = self._directory.find(access_key_id)
        if fixed is not None:
            return fixed
        rows = self._identities.rows
        key = rows.key(access_key_id)
        if key is not None:
            return self._of_key(rows, key)
        if session_token is None:
            return None
        return self._of_session(rows, access_key_id, session_token)

    def _of_key(self, rows: IdentityRows, key: AccessKey) -> Credential | None:
        user = rows.by_id(key.owner_id)
        if user is None or not key.active:
            return None
        opened = self._open_secret(secret_name(key.access_key_id), key.sealed)
        secret = opened.decode()
        opened[:] = bytes(len(opened))
        return Credential(key.access_key_id, secret, user_principal(rows, user))

    def _of_session(
        self, rows: IdentityRows, access_key_id: str, session_token: str
    ) -> Credential | None:
        ticket = self._sessions.read(access_key_id, session_token)
        principal = None if ticket is None else session_principal(rows, ticket)
        if ticket is None or principal is None:
            return None
        self._tickets[access_key_id] = ticket
        return Credential(
            access_key_id,
            ticket.secret_access_key,
            principal,
            session_token,
            ticket.expires_at,
        )

    def ticket(self, access_key_id: str) -> Ticket | None:
        """The session of a temporary access key that was found just now; None for another key."""
        return self._tickets.get(access_key_id)

    def note_use(self, credential: Credential, service: str, region: str) -> None:
        """Remember, to the minute, that an access key, or a role's session, signed a request."""
        session = credential.principal.session
        used = credential.access_key_id if session is None else session.issuer_id
        now = self._wall.now()
        if now - self._used.get(used, 0.0) < USE_SECONDS_MIN:
            return
        if len(self._used) >= KNOWN_MAX:
            self._used.clear()
        self._used[used] = now
        self._identities.note_uses([KeyUse(used, int(now * 1000), service, region)])


def _same(known: str | None, given: str | None) -> bool:
    """Whether a token that is known is the one given; a key without a token has none to differ."""
    return known is None or sigv4.same_text(known, given or "")
