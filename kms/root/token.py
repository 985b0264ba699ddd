"""A root of trust in a PKCS#11 token: an AES-256 key that never leaves it.

The setting is a PKCS#11 URI with `token` and `object` (labels), `module-path` and `pin-source`, a
`file:` or `env:` reference; `pin-value` is refused, since settings show up in process lists. The
key is made in the token if there is none, sensitive and not extractable. Sealed: 12-byte nonce,
AES-GCM ciphertext and 16-byte tag. Sources: RFC 7512, PKCS #11 v3.1 §6.13.4
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from kms.root.sealer import BOX_BYTES, DOMAIN_KEY_BYTES, NONCE_BYTES, TAG_BYTES, RootError
from kms.root.secret_file import read_secret

if TYPE_CHECKING:
    from pkcs11 import Session

KEY_BITS = 256
_SCHEME = "pkcs11:"
_WANTED = ("token", "object", "module-path", "pin-source")


@dataclass(frozen=True, slots=True)
class TokenURI:
    """What a PKCS#11 URI says, percent-decoded."""

    token: str
    key: str
    module: str
    pin_source: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises RootError for a URI without the attributes that are needed, or with others."""
        path, _, query = text.removeprefix(_SCHEME).partition("?")
        found: dict[str, str] = {}
        for part in (*path.split(";"), *query.split("&")):
            name, _, value = part.partition("=")
            if name == "pin-value":
                raise RootError("a PKCS#11 URI must not hold the PIN: use pin-source")
            if name not in _WANTED or name in found:
                raise RootError(f"the PKCS#11 URI has an attribute {name!r} that it must not have")
            found[name] = unquote(value)
        missing = [name for name in _WANTED if not found.get(name)]
        if missing:
            raise RootError(f"the PKCS#11 URI lacks {', '.join(missing)}")
        return cls(found["token"], found["object"], found["module-path"], found["pin-source"])


class Token:
    """The sealer; `library` is the `pkcs11` package."""

    name = "pkcs11"

    def __init__(self, uri: TokenURI, library: Any) -> None:
        self._uri = uri
        self._library = library

    def create(self) -> None:
        library = self._library
        with self._session(write=True) as session:
            try:
                session.get_key(library.ObjectClass.SECRET_KEY, label=self._uri.key)
            except library.NoSuchKey:
                session.generate_key(
                    library.KeyType.AES,
                    KEY_BITS,
                    label=self._uri.key,
                    store=True,
                    capabilities=library.MechanismFlag.ENCRYPT | library.MechanismFlag.DECRYPT,
                    template={
                        library.Attribute.SENSITIVE: True,
                        library.Attribute.EXTRACTABLE: False,
                        library.Attribute.PRIVATE: True,
                    },
                )

    def seal(self, key: bytes | bytearray, binding: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        with self._session() as session:
            sealed = self._key(session).encrypt(bytes(key), **self._gcm(nonce, binding))
        return nonce + bytes(sealed)

    def open(self, sealed: bytes, binding: bytes) -> bytearray:
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        with self._session() as session:
            key = self._key(session)
            try:
                opened = bytearray(key.decrypt(rest, **self._gcm(nonce, binding)))
            except self._library.PKCS11Error:
                opened = bytearray()
        if len(sealed) != BOX_BYTES or len(opened) != DOMAIN_KEY_BYTES:
            raise RootError(
                f"the key {self._uri.key!r} of the token {self._uri.token!r} is not the one that "
                "this key store was made with, or the store was altered"
            )
        return opened

    def _key(self, session: "Session") -> Any:
        try:
            return session.get_key(self._library.ObjectClass.SECRET_KEY, label=self._uri.key)
        except self._library.NoSuchKey:
            raise RootError(f"the token {self._uri.token!r} has no key {self._uri.key!r}") from None

    def _gcm(self, nonce: bytes, binding: bytes) -> dict[str, Any]:
        parameters = self._library.GCMParams(nonce, binding, TAG_BYTES * 8)
        return {"mechanism": self._library.Mechanism.AES_GCM, "mechanism_param": parameters}

    @contextmanager
    def _session(self, *, write: bool = False) -> Iterator["Session"]:
        """A session that is logged in. Raises RootError for whatever the token does not like."""
        uri = self._uri
        try:
            token = self._library.lib(uri.module).get_token(token_label=uri.token)
            with token.open(rw=write, user_pin=_pin(uri.pin_source)) as session:
                yield session
        except self._library.PKCS11Error as error:
            reason = str(error) or type(error).__name__
            raise RootError(f"the PKCS#11 token {uri.token!r} cannot be used: {reason}") from None


def open_token(uri: TokenURI) -> Token:
    """Raises RootError if the `pkcs11` package is not installed."""
    try:
        import pkcs11
    except ImportError:
        raise RootError(
            "a PKCS#11 root of trust needs the package python-pkcs11: install objstore[pkcs11]"
        ) from None
    return Token(uri, pkcs11)


def _pin(source: str) -> str:
    kind, _, name = source.partition(":")
    if kind == "file":
        return read_secret(Path(name), noun="PIN file").decode().rstrip("\r\n")
    pin = os.environ.get(name) if kind == "env" else None
    if not pin:
        raise RootError(f"the PIN of the PKCS#11 token is not in {source!r}")
    return pin
