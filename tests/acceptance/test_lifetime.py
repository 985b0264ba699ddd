"""A server's life: what several workers share, how it stops, what is left when it starts again."""

import http.client
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from kms.aws.clock import monotonic
from objstore.compose import SHUTDOWN_SECONDS_MAX

REVOCATION_SECONDS_MAX = 1.0
LARGE = bytes(range(256)) * 20_000
KMS = {"ServerSideEncryption": "aws:kms"}


def test_a_request_in_flight_is_finished(serve: Callable[..., Any], wire: Any) -> None:
    server = serve("--dev")
    server.client("s3").create_bucket(Bucket="bucket")
    sender = wire(server)
    headers = sender.sign("PUT", "/bucket/k", payload=LARGE)
    connection = sender.connect()
    connection.putrequest("PUT", "/bucket/k", skip_host=True)
    for name, value in {**headers, "Content-Length": str(len(LARGE))}.items():
        connection.putheader(name, value)
    connection.endheaders(LARGE[: len(LARGE) // 2])
    health(server)
    server.process.terminate()
    refused(server)
    connection.send(LARGE[len(LARGE) // 2 :])
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    connection.close()
    assert server.stop() == 0
    again = serve("--dev").client("s3")
    assert again.get_object(Bucket="bucket", Key="k")["Body"].read() == LARGE


def health(server: Any) -> Any:
    with urlopen(f"{server.endpoint}/_/health") as response:
        return json.load(response)


def refused(server: Any) -> None:
    """Return as soon as the server takes no new connection."""
    while True:
        connection = http.client.HTTPConnection(urlsplit(server.endpoint).netloc, timeout=10)
        try:
            connection.request("GET", "/_/health")
            connection.getresponse().read()
        except OSError:
            return
        finally:
            connection.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_stops_at_once_when_idle(serve: Callable[..., Any], workers: str) -> None:
    server = serve("--dev", "--workers", workers)
    server.client("s3").list_buckets()
    assert server.stop() == 0
    assert "Traceback" not in server.log()


def test_it_does_not_wait_for_idle_https_connections(
    serve: Callable[..., Any], certificate: Any
) -> None:
    files = ("--tls-cert", str(certificate.certificate), "--tls-key", str(certificate.key))
    server = serve("--dev", *files)
    context = ssl.create_default_context(cafile=certificate.certificate)
    connection = http.client.HTTPSConnection(urlsplit(server.endpoint).netloc, context=context)
    connection.request("GET", "/_/health")
    assert connection.getresponse().read()
    server.process.terminate()
    assert server.process.wait(SHUTDOWN_SECONDS_MAX / 2) == 0
    connection.close()


def test_workers_do_not_outlive_the_process_that_started_them(serve: Callable[..., Any]) -> None:
    server = serve("--dev", "--workers", "2")
    s3 = server.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k", Body=LARGE)
    server.process.kill()
    server.process.wait()
    refused(server)
    again = serve("--dev")
    assert again.client("s3").get_object(Bucket="bucket", Key="k")["Body"].read() == LARGE


def test_what_was_written_is_there_after_a_restart(serve: Callable[..., Any]) -> None:
    server = serve()
    s3 = client_of_root(server, "s3")
    key = client_of_root(server, "kms").create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket="bucket")
    for name, more in (("plain", {}), ("kms", {**KMS, "SSEKMSKeyId": key})):
        s3.put_object(Bucket="bucket", Key=name, Body=LARGE, **more)
    assert server.stop() == 0
    again = serve()
    s3 = client_of_root(again, "s3")
    for name in ("plain", "kms"):
        assert s3.get_object(Bucket="bucket", Key=name)["Body"].read() == LARGE
    assert client_of_root(again, "kms").describe_key(KeyId=key)["KeyMetadata"]["Enabled"]


def client_of_root(server: Any, service: str) -> Any:
    """A client with the root access key that `objstore env` shows."""
    command = [sys.executable, "-m", "objstore", "env", "--data", str(server.data)]
    exports = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [line.removeprefix("export ") for line in exports.splitlines()]
    values = dict(line.split("=", 1) for line in lines)
    return server.client(
        service,
        aws_access_key_id=values["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=values["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture(scope="module")
def pair(serve_for_module: Callable[..., Any]) -> Any:
    """A server of two workers."""
    return serve_for_module("--dev", "--workers", "2")


def worker_of(connection: http.client.HTTPConnection) -> str:
    """Which worker a connection is to: the host id is a process's own."""
    connection.request("GET", "/", headers={"host": "127.0.0.1"})
    response = connection.getresponse()
    response.read()
    return str(response.headers["x-amz-id-2"])


@pytest.fixture
def both(pair: Any, wire: Any) -> Any:
    """One open connection to each of the two workers."""
    found: dict[str, http.client.HTTPConnection] = {}
    spare = []
    while len(found) < 2:
        connection = wire(pair).connect()
        worker = worker_of(connection)
        if worker in found:
            spare.append(connection)
        else:
            found[worker] = connection
    yield list(found.values())
    for connection in (*found.values(), *spare):
        connection.close()


def ask(
    connection: http.client.HTTPConnection,
    wire: Any,
    method: str,
    target: str,
    body: bytes = b"",
    **headers: str,
) -> tuple[int, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    signed = wire.sign(method, target, named, payload=body)
    connection.request(method, target, body=body, headers=signed)
    response = connection.getresponse()
    return response.status, response.read()


def test_writes_of_one_worker_are_seen_by_the_other(pair: Any, both: Any, wire: Any) -> None:
    one, other = both
    sender = wire(pair)
    assert ask(one, sender, "PUT", "/both-write")[0] == 200
    for number, (writer, reader) in enumerate([(one, other), (other, one)] * 5):
        body = str(number).encode() * 20_000
        assert ask(writer, sender, "PUT", "/both-write/k", body)[0] == 200
        assert ask(reader, sender, "GET", "/both-write/k") == (200, body)
        listed = ask(reader, sender, "GET", "/both-write?list-type=2")[1]
        assert b"<Size>20000</Size>" in listed
    assert ask(one, sender, "DELETE", "/both-write/k")[0] == 204
    assert ask(other, sender, "GET", "/both-write/k")[0] == 404
    assert ask(other, sender, "DELETE", "/both-write")[0] == 204
    assert ask(one, sender, "GET", "/both-write/k")[0] == 404


def test_a_disabled_key_is_refused_by_both(pair: Any, both: Any, wire: Any) -> None:
    sender = wire(pair)
    s3, kms = pair.client("s3"), pair.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    s3.create_bucket(Bucket="both-keys")
    s3.put_object(Bucket="both-keys", Key="k", Body=b"data", **KMS, SSEKMSKeyId=key)
    for connection in both:
        assert ask(connection, sender, "GET", "/both-keys/k") == (200, b"data")
    changes = ((kms.disable_key, 400), (kms.enable_key, 200)) * 3
    for change, wanted in changes:
        change(KeyId=key)
        changed = monotonic()
        for connection in both:
            status = 0
            while status != wanted:
                # Whoever asks this late must be answered by the new state.
                late = monotonic() - changed > REVOCATION_SECONDS_MAX
                status, body = ask(connection, sender, "GET", "/both-keys/k")
                assert status == wanted or not late
                assert (b"KMS.DisabledException" in body) is (status == 400)


def test_only_one_of_many_creators_wins(pair: Any) -> None:
    s3 = pair.client("s3")
    s3.create_bucket(Bucket="both-race")
    barrier = threading.Barrier(8)
    codes: list[str] = []

    def create(number: int) -> bool:
        client = pair.client("s3")
        barrier.wait()
        body = str(number).encode()
        try:
            client.put_object(Bucket="both-race", Key="k", Body=body, IfNoneMatch="*")
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert (won.count(True), set(codes)) == (1, {"PreconditionFailed"})
    body = s3.get_object(Bucket="both-race", Key="k")["Body"].read()
    assert body == str(won.index(True)).encode()


def test_metrics_of_both_workers_add_up(pair: Any, both: Any, wire: Any) -> None:
    def counted() -> float:
        with urlopen(f"{pair.endpoint}/_/metrics") as response:
            lines = response.read().decode().splitlines()
        wanted = [line for line in lines if line.startswith("objstore_requests_total{")]
        heads = [line for line in wanted if 'operation="HeadBucket"' in line]
        return sum(float(line.rpartition(" ")[2]) for line in heads)

    before = counted()
    for connection in both:
        for _ in range(3):
            ask(connection, wire(pair), "HEAD", "/nowhere")
    while counted() < before + 6:
        pass


def test_a_reset_empties_both(pair: Any, both: Any, wire: Any) -> None:
    sender = wire(pair)
    pair.client("s3").create_bucket(Bucket="both-reset")
    with urlopen(Request(f"{pair.endpoint}/_/reset", method="POST")) as response:
        assert response.status == 200
    for connection in both:
        assert ask(connection, sender, "HEAD", "/both-reset")[0] == 404
