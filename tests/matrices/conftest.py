"""Whole servers to ask: one in process, as a worker composes it, and any on a socket."""

import hashlib
import http.client
import os
import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kms.aws import sigv4
from objstore import compose, log, worker
from objstore.app import Application
from objstore.settings import Settings

REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def member(self, name: str) -> str:
        """The text of a member of the document that came back, be it XML or JSON."""
        found = re.search(rf'<{name}>(.*?)</{name}>|"{name}": ?"(.*?)"'.encode(), self.body)
        return "" if found is None else (found[1] or found[2]).decode()

    @property
    def code(self) -> str:
        return self.member("Code") or self.member("__type")


def signed(
    method: str, target: str, headers: Mapping[str, str], body: bytes, service: str, key: Any
) -> dict[str, str]:
    """The headers of a request, signed with an access key: its id, its secret, its token if any."""
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    text = f"{stamp[:8]}/{REGION}/{service}/aws4_request"
    path, _, query = target.partition("?")
    digest = hashlib.sha256(body).hexdigest()
    sent = {**headers, "x-amz-date": stamp, "x-amz-content-sha256": digest}
    sent |= dict(zip(("x-amz-security-token",), key[2:], strict=False))
    names = sorted(sent)
    canonical = sigv4.canonical_request(
        method,
        path,
        sigv4.canonical_query(query),
        sent,
        signed_headers=names,
        payload_hash=digest,
    )
    scope = sigv4.Scope(stamp[:8], REGION, service, text)
    secret = sigv4.signing_key(key[1], stamp[:8], REGION, service)
    signature = sigv4.sign(secret, sigv4.string_to_sign(stamp, scope, canonical))
    sent["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key[0]}/{text}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return sent


class Asker:
    """Asks a server: `await ask("GET", "/bucket", key=("AKIA…", "secret"))`."""

    host = "127.0.0.1"

    async def __call__(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        service: str = "s3",
        key: Any = None,
    ) -> Answer:
        sent = {"host": self.host, **(headers or {})}
        if key is not None:
            sent = signed(method, target, sent, body, service, key)
        return await self.send(method, target, sent, body)

    async def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Leave the server."""


class InProcess(Asker):
    """Hands requests to an application, which is composed at the first."""

    def __init__(self) -> None:
        self._app: Application | None = None

    async def start(self) -> Application:
        """The application; the loop that it belongs to runs."""
        if self._app is None:
            self._app = worker.application()
        return self._app

    async def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        path, _, query = target.partition("?")
        sent = {**headers, "content-length": str(len(body))}
        scope = {
            "type": "http",
            "method": method,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "scheme": "http",
            "client": ("127.0.0.1", 1),
        }
        messages: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: MutableMapping[str, Any]) -> None:
            messages.append(message)

        app = await self.start()
        await app(scope, receive, keep)
        start, *rest = messages
        names = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], names, b"".join(bytes(m.get("body", b"")) for m in rest))

    async def aclose(self) -> None:
        if self._app is not None:
            await self._app._stop()


class OverSocket(Asker):
    """Sends requests to a server that runs elsewhere, over one connection."""

    def __init__(self, endpoint: str) -> None:
        self.host = endpoint.removeprefix("http://")
        self._connection = http.client.HTTPConnection(self.host, timeout=60)

    async def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        self._connection.request(method, target, body, dict(headers))
        response = self._connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())

    async def aclose(self) -> None:
        self._connection.close()


@pytest.fixture
def in_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Asker]:
    """Asks a development server of its own, made from a seed."""

    def prepare(seed: str) -> Asker:
        monkeypatch.setattr(log, "configure", lambda *_: None)
        monkeypatch.setattr(worker, "harden", lambda *_: None)
        path = tmp_path / "seed.toml"
        path.write_text(seed)
        settings = Settings(tmp_path / "data", dev=True, seed=path, log_level="error")
        settings.data.mkdir()
        compose.prepare(settings, lambda _: None)
        monkeypatch.setitem(os.environ, compose.SETTINGS_VARIABLE, settings.to_json())
        return InProcess()

    return prepare


@pytest.fixture
def over_socket(serve: Callable[..., Any], tmp_path: Path) -> Callable[[str], Asker]:
    """The same over a socket."""

    def start(seed: str) -> Asker:
        path = tmp_path / "seed.toml"
        path.write_text(seed)
        return OverSocket(serve("--dev", "--seed", str(path)).endpoint)

    return start
