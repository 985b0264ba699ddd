"""The budgets, measured: objstore and a bare uvicorn answer the same signed requests, in turns.

Every rate is the median of `--rounds` rounds. A share is the ratio of two rates that were measured
one after the other, so that what else the machine does touches both. Nothing here asserts.
"""

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench_policies
import boto3
import click
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

sys.path.insert(0, str(Path(__file__).with_name("faults")))

from workplace import follow_parent, workplace

KEYS = 256
SMALL = 4096
LARGE = 16 * 1024 * 1024
LARGE_KEYS = 8
BUCKET = "bench"
START_SECONDS_MAX = 30
REGION = "us-east-1"
ANNOUNCEMENT = r"objstore serves (\S+)"

BARE = """
import json, os
BODY = {size: b"x" * size for size in (0, 4096, 16777216)}
HEADERS = {size: [(b"content-length", str(size).encode())] for size in BODY}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    size = 0
    if scope["method"] == "GET":
        size = 16777216 if b"large" in scope["raw_path"] else 4096
    else:
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS[size]})
    await send({"type": "http.response.body", "body": BODY[size]})
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a second, the 99th percentile in milliseconds, and answers that were not 2xx."""

    per_second: float
    p99_ms: float
    errors: int


@dataclass(frozen=True, slots=True)
class Signed:
    """One request, signed beforehand."""

    method: str
    path: str
    headers: dict[str, str]
    body: str = ""
    body_bytes: int = 0


class UnsignedPayloadAuth(S3SigV4Auth):
    """Signs a request without its body, as SDKs do over https."""

    def payload(self, request: AWSRequest) -> str:
        return "UNSIGNED-PAYLOAD"


class Target:
    """A server under load."""

    def __init__(
        self, endpoint: str, process: subprocess.Popen[str], credentials: Credentials
    ) -> None:
        self.endpoint = endpoint
        self.process = process
        self.credentials = credentials

    @property
    def host(self) -> str:
        return self.endpoint.removeprefix("http://")

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.credentials.access_key,
            aws_secret_access_key=self.credentials.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )

    def object(
        self, method: str, path: str, *, body_bytes: int = 0, sse: dict[str, str] | None = None
    ) -> Signed:
        request = AWSRequest(method, self.endpoint + path, {"Host": self.host, **(sse or {})})
        UnsignedPayloadAuth(self.credentials, "s3", REGION).add_auth(request)
        return Signed(method, path, dict(request.headers.items()), body_bytes=body_bytes)

    def kms(self, operation: str, members: dict[str, Any]) -> Signed:
        body = json.dumps(members)
        headers = {
            "Host": self.host,
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"TrentService.{operation}",
        }
        request = AWSRequest("POST", self.endpoint + "/", headers, data=body)
        SigV4Auth(self.credentials, "kms", REGION).add_auth(request)
        return Signed("POST", "/", dict(request.headers.items()), body=body)

    def resident_bytes(self) -> int:
        """The resident set of the process and of its workers."""
        return sum(_resident(pid) for pid in _family(self.process.pid))


def _resident(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        yield from _family(int(child))


def _serve(data: Path, *, workers: int) -> list[str]:
    command = [sys.executable, "-m", "objstore", "serve", "--port", "0", "--data", str(data)]
    return [*command, "--workers", str(workers), "--log-level", "warning"]


@contextmanager
def objstore(data: Path, *, workers: int = 1) -> Iterator[Target]:
    with _running(_serve(data, workers=workers), ANNOUNCEMENT) as (endpoint, process):
        shown = subprocess.run(
            [sys.executable, "-m", "objstore", "env", "--data", str(data)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        values = dict(re.findall(r"export AWS_(\w+)=(\S+)", shown))
        credentials = Credentials(values["ACCESS_KEY_ID"], values["SECRET_ACCESS_KEY"])
        yield Target(endpoint, process, credentials)


@contextmanager
def bare(*, workers: int = 1) -> Iterator[Target]:
    """uvicorn with uvloop and httptools and nothing behind it."""
    with workplace("bare") as folder:
        (folder / "bare.py").write_text(BARE, encoding="utf-8")
        command = [sys.executable, "-m", "uvicorn", "bare:app", "--app-dir", str(folder)]
        command += ["--port", "0", "--loop", "uvloop", "--http", "httptools"]
        command += ["--no-access-log", "--workers", str(workers)]
        with _running(command, r"running on (\S+)") as (endpoint, process):
            yield Target(endpoint, process, Credentials("any", "any"))


@contextmanager
def _running(command: list[str], announcement: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=follow_parent,
        )
        try:
            deadline = time.monotonic() + START_SECONDS_MAX
            found = None
            while found is None:
                if process.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    raise click.ClickException(output.read())
                output.seek(0)
                found = re.search(announcement, output.read())
                time.sleep(0.01)
            _await_answer(found[1])
            yield found[1], process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(START_SECONDS_MAX)


def _await_answer(endpoint: str) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            urllib.request.urlopen(endpoint + "/_/health", timeout=5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


class Load:
    """Sends signed requests over and over, for `seconds`, on `connections`."""

    def __init__(self, seconds: int, rounds: int) -> None:
        self.seconds = seconds
        self.rounds = rounds
        self.wrk = shutil.which("wrk")

    def rate(self, target: Target, requests: list[Signed], *, connections: int) -> Rate:
        return self.in_turns([(target, requests)], connections=connections)[0]

    def in_turns(self, loads: list[tuple[Target, list[Signed]]], *, connections: int) -> list[Rate]:
        """The rates of several loads, each round of one followed by a round of the next."""
        run = self._wrk if self.wrk else self._plain
        rounds = [
            [run(target, requests, connections) for target, requests in loads]
            for _ in range(self.rounds)
        ]
        return [
            Rate(
                statistics.median(one.per_second for one in mine),
                statistics.median(one.p99_ms for one in mine),
                sum(one.errors for one in mine),
            )
            for mine in zip(*rounds, strict=True)
        ]

    def _wrk(self, target: Target, requests: list[Signed], connections: int) -> Rate:
        with workplace("load") as folder:
            script = folder / "load.lua"
            script.write_text(_lua(requests), encoding="utf-8")
            command = [str(self.wrk), "-t1", f"-c{connections}", f"-d{self.seconds}s"]
            command += ["--timeout", "30s", "-s", str(script), target.endpoint]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = re.search(r"RESULT (.*)", done.stdout)
        if found is None:
            raise click.ClickException(done.stdout + done.stderr)
        count, microseconds, p99, errors = (float(value) for value in found[1].split())
        return Rate(count / microseconds * 1e6, p99 / 1000, int(errors))

    def _plain(self, target: Target, requests: list[Signed], connections: int) -> Rate:
        """A stand-in for wrk, in Python: slower than the servers, so shares come out too high."""
        command = [sys.executable, str(Path(__file__).with_name("bench_client.py"))]
        order = {
            "endpoint": target.endpoint,
            "connections": connections,
            "seconds": self.seconds,
            "requests": [
                [one.method, one.path, one.headers, one.body, one.body_bytes] for one in requests
            ],
        }
        done = subprocess.run(
            command, input=json.dumps(order), capture_output=True, text=True, check=True
        )
        return Rate(**json.loads(done.stdout))


def _lua(requests: list[Signed]) -> str:
    """A wrk script that sends `requests` in turn and prints count, time, p99 and errors."""
    rows = []
    for one in requests:
        headers = ",".join(
            f"[{json.dumps(name)}]={json.dumps(value)}"
            for name, value in one.headers.items()
            if name.lower() != "content-length"
        )
        body = f"string.rep('x',{one.body_bytes})" if one.body_bytes else json.dumps(one.body)
        if not one.body_bytes and not one.body:
            body = "nil"
        rows.append(f"{{{json.dumps(one.method)},{json.dumps(one.path)},{{{headers}}},{body}}}")
    return (
        "local R={" + ",\n".join(rows) + "}\nlocal Q={}\nlocal i=0\n"
        "function init(args) for n=1,#R do local r=R[n] "
        "Q[n]=wrk.format(r[1],r[2],r[3],r[4]) end end\n"
        "function request() i=i+1; if i>#Q then i=1 end; return Q[i] end\n"
        "function done(s,l,r) local e=s.errors; io.write(string.format("
        "'RESULT %d %d %f %d\\n',s.requests,s.duration,l:percentile(99),"
        "e.status+e.connect+e.read+e.write+e.timeout)) end\n"
    )


class Report:
    """Prints each figure as it is known, beside its budget."""

    def line(self, what: str, value: str, budget: str = "") -> None:
        click.echo(f"{what:<46} {value:<34} {budget}")

    def rate(self, what: str, rate: Rate, budget: str = "") -> None:
        value = f"{rate.per_second:,.0f}/s  p99 {rate.p99_ms:.1f} ms"
        if rate.errors:
            value += f"  ERRORS {rate.errors}"
        self.line(what, value, budget)

    def share(self, what: str, rate: Rate, of: Rate, budget: str) -> None:
        self.line(what, f"{rate.per_second / of.per_second:.1%} of the bare rate", budget)


class Bench:
    """The rows of the budget table. Every method measures one group of them."""

    def __init__(self, load: Load, report: Report, folder: Path, large_gib: int) -> None:
        self.load = load
        self.report = report
        self.folder = folder
        self.large_gib = large_gib
        self.key_arn = ""

    @property
    def groups(self) -> dict[str, Callable[[], None]]:
        return {
            "start": self.start,
            "small": self.small,
            "workers": self.workers,
            "large": self.large,
            "kms": self.kms,
            "policies": self.policies,
            "memory": self.memory,
        }

    def prepare(self, target: Target) -> None:
        """Bucket, key and the objects that are read."""
        s3 = target.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        self.key_arn = target.client("kms").create_key()["KeyMetadata"]["Arn"]
        for name, sse in (("s3", {}), ("kms", self._sse_arguments())):
            for number in range(KEYS):
                s3.put_object(Bucket=BUCKET, Key=f"{name}/{number}", Body=b"x" * SMALL, **sse)
            for number in range(LARGE_KEYS):
                s3.put_object(Bucket=BUCKET, Key=f"{name}/large{number}", Body=b"x" * LARGE, **sse)

    def _sse_arguments(self) -> dict[str, str]:
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.key_arn}

    @property
    def sse(self) -> dict[str, str]:
        return {
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id": self.key_arn,
        }

    def gets(self, target: Target, prefix: str, names: list[str]) -> list[Signed]:
        return [target.object("GET", f"/{BUCKET}/{prefix}/{name}") for name in names]

    def start(self) -> None:
        seconds = []
        for number in range(5):
            command = _serve(self.folder / f"start{number % 2}", workers=1)
            began = time.monotonic()
            with _running(command, ANNOUNCEMENT) as (_, process):
                seconds.append(time.monotonic() - began)
                resident = _resident(process.pid)
        self.report.line("start to first answer", f"{min(seconds):.2f} s", "< 1 s")
        self.report.line("idle memory, one worker", f"{resident / 2**20:.0f} MiB", "< 90 MiB")

    def small(self) -> None:
        names = [str(number) for number in range(KEYS)]
        with objstore(self.folder / "store") as store, bare() as uvicorn:
            self.prepare(store)
            reads = self.gets(store, "kms", names)
            base = self.load.rate(uvicorn, reads, connections=32)
            self.report.rate("bare: 4 KiB GET", base)
            sealed = self.load.rate(store, reads, connections=32)
            self.report.rate("4 KiB GET, SSE-KMS", sealed)
            self.report.share("  share", sealed, base, ">= 15 %")
            plain = self.load.rate(store, self.gets(store, "s3", names), connections=32)
            self.report.rate("4 KiB GET, SSE-S3", plain)
            slower = 1 - sealed.per_second / plain.per_second
            self.report.line("  SSE-KMS is slower by", f"{slower:.1%}", "< 15 %")
            writes = self.puts(store, SMALL)
            self.report.rate("4 KiB PUT, SSE-KMS", self.load.rate(store, writes, connections=32))

    def puts(self, target: Target, size: int) -> list[Signed]:
        count = KEYS if size == SMALL else LARGE_KEYS
        return [
            target.object("PUT", f"/{BUCKET}/put{size}/{n}", body_bytes=size, sse=self.sse)
            for n in range(count)
        ]

    def workers(self) -> None:
        names = [str(number) for number in range(KEYS)]
        rates = {}
        for count in (1, 2):
            with objstore(self.folder / f"workers{count}", workers=count) as store:
                self.prepare(store)
                reads = self.gets(store, "kms", names)
                rates[count] = self.load.rate(store, reads, connections=32)
                self.report.rate(f"4 KiB GET, SSE-KMS, {count} worker(s)", rates[count])
                if count == 2:
                    rate = self.load.rate(store, self.puts(store, SMALL), connections=32)
                    self.report.rate("4 KiB PUT, SSE-KMS, 2 workers", rate, ">= 3,000/s")
        gain = rates[2].per_second / rates[1].per_second
        self.report.line("  2 workers against 1", f"{gain:.2f}x", ">= 1.5x")

    def large(self) -> None:
        """Bodies of 16 MiB, on a memory file system, so that no disk is measured."""
        names = [f"large{number}" for number in range(LARGE_KEYS)]
        with (
            workplace("bench", within=Path("/dev/shm")) as folder,
            objstore(folder / "store") as store,
            bare() as uvicorn,
        ):
            self.prepare(store)
            reads = self.gets(store, "kms", names)
            base = self.load.rate(uvicorn, reads, connections=8)
            sealed = self.load.rate(store, reads, connections=8)
            self.bytes("bare: 16 MiB GET", base)
            self.bytes("16 MiB GET, SSE-KMS", sealed)
            self.report.share("  share", sealed, base, ">= 50 %")
            self.bytes(
                "16 MiB GET, SSE-S3",
                self.load.rate(store, self.gets(store, "s3", names), connections=8),
            )
            writes = self.puts(store, LARGE)
            base = self.load.rate(uvicorn, writes, connections=8)
            sealed = self.load.rate(store, writes, connections=8)
            self.bytes("bare: 16 MiB PUT", base)
            self.bytes("16 MiB PUT, SSE-KMS, unsigned payload", sealed)
            self.report.share("  share", sealed, base, ">= 50 %")

    def bytes(self, what: str, rate: Rate) -> None:
        value = f"{rate.per_second * LARGE / 1e9:.2f} GB/s"
        if rate.errors:
            value += f"  ERRORS {rate.errors}"
        self.report.line(what, value)

    def kms(self) -> None:
        with objstore(self.folder / "kms") as store:
            key = store.client("kms").create_key()["KeyMetadata"]["Arn"]
            data_key = {"KeyId": key, "KeySpec": "AES_256"}
            asked = [store.kms("GenerateDataKey", data_key)]
            rate = self.load.rate(store, asked, connections=16)
            self.report.rate("KMS GenerateDataKey", rate, ">= 5,000/s")
            made = store.client("kms").generate_data_key(**data_key)["CiphertextBlob"]
            wrapped = {"CiphertextBlob": b64encode(made).decode()}
            rate = self.load.rate(store, [store.kms("Decrypt", wrapped)], connections=16)
            self.report.rate("KMS Decrypt", rate)

    def policies(self) -> None:
        """What a user under policies costs more than the root, on the same server."""
        with objstore(self.folder / "policies") as store:
            services = [store.client(name) for name in ("iam", "kms", "s3")]
            key = bench_policies.prepare(*services, count=KEYS, size=SMALL)
            credentials = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
            user = Target(store.endpoint, store.process, credentials)
            loads = [
                (reader, [reader.object("GET", f"/{bucket}/{n}") for n in range(KEYS)])
                for reader, bucket in (
                    (store, bench_policies.PLAIN),
                    (user, bench_policies.GUARDED),
                )
            ]
            root, limited = self.load.in_turns(loads, connections=32)
            self.report.rate("4 KiB GET, SSE-KMS, root", root)
            self.report.rate("4 KiB GET, SSE-KMS, user under policies", limited)
            overhead = root.per_second / limited.per_second - 1
            self.report.line("  policies cost", f"{overhead:.1%}", "<= 20 %")

    def memory(self) -> None:
        """What streaming adds to the resident set, up and down, single PUTs of at most 5 GiB."""
        size = self.large_gib * 2**30
        with objstore(self.folder / "memory") as store:
            self.prepare_memory(store)
            before = store.resident_bytes()
            path = f"/{BUCKET}/huge"
            up = store.object("PUT", path, body_bytes=size, sse=self.sse)
            peak = self._curl(store, up, size)
            self.report.line(
                f"memory added by {self.large_gib} GiB up",
                f"{(peak - before) / 2**20:.0f} MiB",
                "< 32 MiB",
            )
            peak = self._curl(store, store.object("GET", path), 0)
            self.report.line(
                f"memory added by {self.large_gib} GiB down",
                f"{(peak - before) / 2**20:.0f} MiB",
                "< 32 MiB",
            )

    def prepare_memory(self, store: Target) -> None:
        s3 = store.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        self.key_arn = store.client("kms").create_key()["KeyMetadata"]["Arn"]
        s3.put_object(Bucket=BUCKET, Key="warm", Body=b"x" * LARGE, **self._sse_arguments())
        s3.get_object(Bucket=BUCKET, Key="warm")["Body"].read()

    def _curl(self, store: Target, request: Signed, body_bytes: int) -> int:
        """Send one request with a body of zeros; the peak of the server's resident set."""
        command = [sys.executable, str(Path(__file__).with_name("bench_client.py")), "--once"]
        order = {
            "endpoint": store.endpoint,
            "connections": 1,
            "seconds": 0,
            "requests": [[request.method, request.path, request.headers, "", body_bytes]],
        }
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None
            process.stdin.write(json.dumps(order))
            process.stdin.close()
            peak = 0
            while process.poll() is None:
                peak = max(peak, store.resident_bytes())
                time.sleep(0.05)
            assert process.stdout is not None
            if json.loads(process.stdout.read())["errors"]:
                raise click.ClickException(f"{request.method} {request.path} was refused")
        return peak


@click.command()
@click.option("--seconds", default=3, show_default=True, help="How long each round lasts.")
@click.option("--rounds", default=3, show_default=True, help="How many rounds a figure has.")
@click.option("--large-gib", default=2, show_default=True, help="What the memory group streams.")
@click.option("--data", type=click.Path(path_type=Path), help="Where the stores lie.")
@click.argument("groups", nargs=-1)
def main(
    seconds: int, rounds: int, large_gib: int, data: Path | None, groups: tuple[str, ...]
) -> None:
    """Measure all GROUPS, or those named: start small workers large kms policies memory."""
    load = Load(seconds, rounds)
    with workplace("bench", within=data) as folder:
        bench = Bench(load, Report(), folder, large_gib)
        for name in groups or bench.groups:
            if name not in bench.groups:
                raise click.BadParameter(f"no group {name!r}")
        click.echo(f"{os.cpu_count()} cores, load by {'wrk' if load.wrk else 'Python'}")
        for name in groups or bench.groups:
            bench.groups[name]()


if __name__ == "__main__":
    main()
