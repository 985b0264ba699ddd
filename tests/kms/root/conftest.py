"""A transit engine on a real socket, and a SoftHSM token."""

import json
import os
import re
import shutil
import subprocess
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ENGINE_TOKEN = "hvs.engine-token"
PIN = "1234"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")


@dataclass(slots=True)
class Engine:
    """The transit secrets engine's encrypt and decrypt, as Vault and OpenBao answer them.

    `keys` are by mount and name; `answer` replaces every answer by a status and a body.
    """

    address: str = ""
    keys: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    namespaces: list[str | None] = field(default_factory=list)
    answer: tuple[int, bytes] | None = None

    def handle(self, path: str, headers: Any, body: dict[str, str]) -> tuple[int, Any]:
        self.namespaces.append(headers.get("X-Vault-Namespace"))
        if headers.get("X-Vault-Token") != ENGINE_TOKEN:
            return 403, {"errors": ["permission denied"]}
        found = re.fullmatch(r"/v1/(.+)/(encrypt|decrypt)/([^/]+)", path)
        if found is None:
            return 404, {"errors": []}
        mount, verb, name = found.groups()
        bound = b64decode(body.get("associated_data", ""))
        if verb == "encrypt":
            versions = self.keys.setdefault((mount, name), [AESGCM.generate_key(256)])
            nonce = os.urandom(12)
            sealed = AESGCM(versions[-1]).encrypt(nonce, b64decode(body["plaintext"]), bound)
            text = f"vault:v{len(versions)}:{b64encode(nonce + sealed).decode()}"
            return 200, {"data": {"ciphertext": text, "key_version": len(versions)}}
        if (mount, name) not in self.keys:
            return 400, {"errors": ["encryption key not found"]}
        kind, version, raw = body["ciphertext"].split(":")
        if kind != "vault":
            return 400, {"errors": ["invalid ciphertext: no prefix"]}
        box = b64decode(raw)
        key = self.keys[mount, name][int(version[1:]) - 1]
        try:
            plaintext = AESGCM(key).decrypt(box[:12], box[12:], bound)
        except InvalidTag:
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": b64encode(plaintext).decode()}}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    made = Engine()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if made.answer is not None:
                status, raw = made.answer
            else:
                status, document = made.handle(self.path, self.headers, body)
                raw = json.dumps(document).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{made.address}/elsewhere")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name in ("ADDR", "TOKEN", "TOKEN_FILE", "NAMESPACE", "CACERT"):
        monkeypatch.delenv(f"VAULT_{name}", raising=False)
        monkeypatch.delenv(f"BAO_{name}", raising=False)
    monkeypatch.setenv("VAULT_ADDR", made.address)
    monkeypatch.setenv("VAULT_TOKEN", ENGINE_TOKEN)
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True, slots=True)
class HSM:
    """A software token; its configuration is in the environment."""

    module: str
    label: str
    pin_file: Path

    def uri(self, key: str, **changes: str) -> str:
        query = {"module-path": self.module, "pin-source": f"file:{self.pin_file}"} | changes
        token = query.pop("token", self.label)
        pairs = "&".join(f"{name}={value}" for name, value in query.items())
        return f"pkcs11:token={token};object={key}?{pairs}"


@pytest.fixture(scope="session")
def hsm(tmp_path_factory: pytest.TempPathFactory) -> HSM:
    module = next((path for path in MODULES if Path(path).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("needs SoftHSM: apt-get install softhsm2")
    pytest.importorskip("pkcs11", reason="needs python-pkcs11: pip install objstore[pkcs11]")
    folder = tmp_path_factory.mktemp("softhsm")
    tokens = folder / "tokens"
    tokens.mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    # The library reads this once in a process, when it is loaded.
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    initialize = ["softhsm2-util", "--init-token", "--free", "--label", "objstore test"]
    subprocess.run(
        [*initialize, "--pin", PIN, "--so-pin", "12345678"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    pin_file = folder / "pin"
    pin_file.write_text(f"{PIN}\n")
    pin_file.chmod(0o600)
    return HSM(module, "objstore%20test", pin_file)
