"""Real clients of a real server: https, the aws CLI, and requests that no client would send."""

import hashlib
import http.client
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

COMMAND_SECONDS_MAX = 120
ANSWER_SECONDS_MAX = 60
UNSIGNED = "UNSIGNED-PAYLOAD"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("acceptance")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that vouches for itself, and its key, as PEM files."""

    certificate: Path
    key: Path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [
        x509.DNSName("localhost"),
        x509.DNSName("*.localhost"),
        x509.IPAddress(ip_address("127.0.0.1")),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    files = Certificate(folder / "certificate.pem", folder / "key.pem")
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@pytest.fixture(scope="module")
def https(serve_for_module: Callable[..., Any], certificate: Certificate) -> Any:
    """A development server that speaks https."""
    files = ("--tls-cert", str(certificate.certificate), "--tls-key", str(certificate.key))
    return serve_for_module("--dev", *files)


@dataclass(slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of an error document."""
        found = re.search(rb"<Code>(.*?)</Code>", self.body)
        return found[1].decode() if found else ""

    @property
    def request_id(self) -> str:
        """The request id of an error document, which the header repeats."""
        found = re.search(rb"<RequestId>(.*?)</RequestId>", self.body)
        return found[1].decode() if found else ""


class _Signer(S3SigV4Auth):  # type: ignore[misc]
    """Signs the payload hash that the request states, whatever its body is."""

    def payload(self, request: AWSRequest) -> str:
        return str(request.headers["X-Amz-Content-SHA256"])

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        stated = request.headers["X-Amz-Content-SHA256"]
        super()._modify_request_before_signing(request)
        request.headers.replace_header("X-Amz-Content-SHA256", stated)


@dataclass(slots=True)
class Wire:
    """Sends requests byte for byte, signed or not."""

    endpoint: str
    secret: str = "test"
    context: ssl.SSLContext | None = field(default=None)

    def sign(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        *,
        payload: str | bytes = UNSIGNED,
        secret: str | None = None,
        service: str = "s3",
    ) -> dict[str, str]:
        """The headers of a signed request; `payload` is a body to hash or the stated hash."""
        stated = payload if isinstance(payload, str) else hashlib.sha256(payload).hexdigest()
        sent = {"Host": urlsplit(self.endpoint).netloc, "X-Amz-Content-SHA256": stated}
        request = AWSRequest(method, self.endpoint + target, headers={**sent, **(headers or {})})
        credentials = Credentials("test", secret or self.secret)
        _Signer(credentials, service, "us-east-1").add_auth(request)
        return dict(request.headers.items())

    def send(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes = b"",
    ) -> Answer:
        """Send the head as it is given, but for the length of the body if that is missing."""
        connection = self.connect()
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if "Content-Length" not in headers:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()

    def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        **signing: Any,
    ) -> Answer:
        """A well-formed signed request."""
        signing.setdefault("payload", body)
        return self.send(method, target, self.sign(method, target, headers, **signing), body)

    def connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.endpoint)
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.netloc, timeout=ANSWER_SECONDS_MAX)
        return http.client.HTTPSConnection(
            parts.netloc, timeout=ANSWER_SECONDS_MAX, context=self.context
        )


@pytest.fixture(scope="session")
def wire() -> Callable[[Any], Wire]:
    """Makes a raw client of a server."""
    return lambda server: Wire(server.endpoint)


CLI = Callable[..., str]


def cli(*program: str) -> CLI:
    """Runs an aws CLI against a server and returns what it printed; `fails` expects an error."""

    def run(server: Any, *arguments: str, fails: bool = False, cwd: Path | None = None) -> str:
        command = [*program, *arguments]
        done = subprocess.run(
            command,
            env=server.environment(),
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )
        assert (done.returncode != 0) is fails, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stderr if fails else done.stdout

    return run


@pytest.fixture(scope="session")
def aws() -> CLI:
    """Version 1 of the aws CLI, which the dependencies install."""
    return cli(sys.executable, "-m", "awscli")


@pytest.fixture(scope="session")
def aws2() -> CLI:
    """Version 2 of the aws CLI, which the system may have."""
    for folder in os.get_exec_path():
        program = Path(folder, "aws")
        if program.exists():
            command = [str(program), "--version"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.stdout.startswith("aws-cli/2."):
                run = cli(str(program))
                # It has known AWS_ENDPOINT_URL only since 2.13.
                return lambda server, *arguments, **more: run(
                    server, "--endpoint-url", server.endpoint, *arguments, **more
                )
    pytest.skip("version 2 of the aws CLI is not installed")
