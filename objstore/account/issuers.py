"""The OpenID Connect issuers of a server's configuration: `ISSUER=discover` or `ISSUER=FILE`."""

import json
from collections.abc import Sequence
from pathlib import Path

from kms.aws.clock import Clock
from objstore.account.fetch import fetch_json
from objstore.account.oidc import DiscoveredKeySet, Issuers, KeySet

DISCOVER = "discover"
FILE_BYTES_MAX = 256 * 1024


class IssuerError(Exception):
    """The configuration of issuers makes no sense; the message names the place."""


def configured_issuers(
    entries: Sequence[str], *, algorithms: Sequence[str], wall: Clock
) -> Issuers:
    """The issuers of `entries`. Raises IssuerError."""
    keys: dict[str, KeySet] = {}
    for entry in entries:
        issuer, _, source = entry.partition("=")
        if not issuer.startswith("https://") or not source:
            raise IssuerError(f"{entry!r} is not https://ISSUER=discover or https://ISSUER=FILE")
        if source == DISCOVER:
            keys[issuer] = DiscoveredKeySet(issuer, fetch=fetch_json, wall=wall)
        else:
            keys[issuer] = _from_file(issuer, Path(source))
    return Issuers(keys, wall=wall, algorithms=algorithms)


def _from_file(issuer: str, path: Path) -> KeySet:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise IssuerError(f"the keys of {issuer} are larger than {FILE_BYTES_MAX} bytes")
        return KeySet(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, AttributeError) as error:
        raise IssuerError(f"the keys of {issuer} cannot be read from {path}: {error}") from None
