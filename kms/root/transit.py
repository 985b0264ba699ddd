"""A root of trust in the transit engine of a HashiCorp Vault or an OpenBao.

Domain keys go there to be encrypted and decrypted, over HTTPS, with the binding as associated data;
the engine's key never comes here. What is sealed is the engine's own text, `vault:v1:…`. The place
and the token come from the variables that their command lines use: VAULT_ADDR, VAULT_TOKEN or
VAULT_TOKEN_FILE, VAULT_NAMESPACE and VAULT_CACERT, or the same with BAO. A request is made once;
nothing is retried. Source: https://developer.hashicorp.com/vault/api-docs/secret/transit
"""

import json
import os
import ssl
import urllib.error
import urllib.request
from base64 import b64decode, b64encode
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

from kms.root.sealer import DOMAIN_KEY_BYTES, RootError
from kms.root.secret_file import read_secret

TIMEOUT_SECONDS = 10
ANSWER_BYTES_MAX = 64 * 1024
REASON_CHARACTERS_MAX = 300
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class Transit:
    """The sealer."""

    name = "transit"

    def __init__(self, mount: str, key: str) -> None:
        self._mount = mount
        self._key = key

    def create(self) -> None:
        """The engine's operator makes the key, or lets the first encryption make it."""

    def seal(self, key: bytes | bytearray, binding: bytes) -> bytes:
        ciphertext = self._ask("encrypt", binding, plaintext=b64encode(key).decode())["ciphertext"]
        if not isinstance(ciphertext, str):
            raise RootError("the transit engine's answer has no ciphertext")
        return ciphertext.encode()

    def open(self, sealed: bytes, binding: bytes) -> bytearray:
        try:
            answer = self._ask("decrypt", binding, ciphertext=sealed.decode())
            key = bytearray(b64decode(answer["plaintext"], validate=True))
        except (TypeError, ValueError):
            key = bytearray()
        if len(key) != DOMAIN_KEY_BYTES:
            raise RootError("the transit engine's answer is not a domain key")
        return key

    def _ask(self, verb: str, binding: bytes, **body: str) -> dict[str, Any]:
        """The `data` of the engine's answer."""
        address = _variable("ADDR").rstrip("/")
        if not address:
            raise RootError(
                "the transit engine's address is not in the environment: set VAULT_ADDR"
            )
        _check(address)
        request = urllib.request.Request(
            f"{address}/v1/{quote(self._mount)}/{verb}/{quote(self._key, safe='')}",
            data=json.dumps({**body, "associated_data": b64encode(binding).decode()}).encode(),
            headers=_headers(),
            method="POST",
        )
        try:
            opener = urllib.request.build_opener(
                urllib.request.HTTPSHandler(context=_trust()), _NoRedirect
            )
            with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                data = json.loads(answer.read(ANSWER_BYTES_MAX))["data"]
        except urllib.error.HTTPError as error:
            reason = _reason(error.read(ANSWER_BYTES_MAX))
            error.close()
            raise RootError(
                f"the transit engine at {address} refuses to {verb} with the key {self._key!r}: "
                f"{error.code} {reason}"
            ) from None
        except (OSError, HTTPException) as error:
            raise RootError(f"the transit engine at {address} cannot be reached: {error}") from None
        except (KeyError, TypeError, ValueError):
            data = None
        if not isinstance(data, dict):
            raise RootError(f"what answers at {address} is not a transit engine")
        return data


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token goes nowhere but to the address that was set."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        return None


def _variable(name: str) -> str:
    return os.environ.get(f"VAULT_{name}") or os.environ.get(f"BAO_{name}") or ""


def _check(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS:
        return
    if parts.scheme != "https" or not parts.hostname:
        raise RootError(f"the transit engine's address {address} must be an https URL")


def _headers() -> dict[str, str]:
    token = _variable("TOKEN")
    file = _variable("TOKEN_FILE")
    if not token and file:
        token = read_secret(Path(file), noun="token file").decode().strip()
    if not token:
        raise RootError("the transit engine's token is not in the environment: set VAULT_TOKEN")
    headers = {
        "Content-Type": "application/json",
        "X-Vault-Token": token,
        "X-Vault-Request": "true",
    }
    namespace = _variable("NAMESPACE")
    if namespace:
        headers["X-Vault-Namespace"] = namespace
    return headers


def _trust() -> ssl.SSLContext:
    file = _variable("CACERT")
    try:
        return ssl.create_default_context(cafile=file or None)
    except OSError as error:
        raise RootError(f"the certificates in {file} cannot be used: {error}") from None


def _reason(body: bytes) -> str:
    """The engine's own words, if it has some."""
    try:
        errors = json.loads(body)["errors"]
        return "; ".join(str(error).strip() for error in errors)[:REASON_CHARACTERS_MAX]
    except (KeyError, TypeError, ValueError):
        return ""
