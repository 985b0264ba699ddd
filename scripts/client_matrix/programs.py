"""Clients that are programs."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from scene import STEPS, Client, MissingError, Scene, equal, same

PROGRAM_SECONDS_MAX = 120
CLIENTS_FOLDER = Path(".clients").resolve()


def run(scene: Scene, *command: str, **variables: str) -> str:
    done = subprocess.run(
        command,
        env={**scene.environment, **variables},
        capture_output=True,
        timeout=PROGRAM_SECONDS_MAX,
        check=True,
    )
    return done.stdout.decode()


def found(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise MissingError(name)
    return path


def aws_cli_1(scene: Scene) -> Client:
    return _aws_cli(scene, "aws1", sys.executable, "-m", "awscli")


def aws_cli_2(scene: Scene) -> Client:
    program = "/usr/bin/aws"
    if not Path(program).exists():
        raise MissingError("the package awscli")
    return _aws_cli(scene, "aws2", program)


def _aws_cli(scene: Scene, root: str, *program: str) -> Client:
    version = run(scene, *program, "--version").split()[0]
    url = f"s3://{scene.bucket}/{root}"
    # Version 2.9 has no AWS_ENDPOINT_URL yet.
    endpoint = ("--endpoint-url", scene.endpoint)

    def s3(*arguments: str) -> str:
        return run(scene, *program, *endpoint, "s3", *arguments)

    def read(name: str) -> bytes:
        out = scene.out(f"{root}-{name}")
        s3("cp", f"{url}/{name}", str(out))
        return out.read_bytes()

    def get() -> None:
        same(read("small"), scene.small.read_bytes())
        same(read("large"), scene.large.read_bytes())

    def part() -> None:
        out = scene.out(f"{root}-part")
        run(scene, *program, *endpoint, "s3api", "get-object", "--bucket", scene.bucket,
            "--key", f"{root}/large", "--range", "bytes=10-19", str(out))  # fmt: skip
        same(out.read_bytes(), scene.large.read_bytes()[10:20])

    def listing() -> None:
        lines = s3("ls", f"{url}/").splitlines()
        equal([line.split()[-1] for line in lines], ["large", "small"])

    def copy() -> None:
        s3("cp", f"{url}/large", f"{url}/copy")
        same(read("copy"), scene.large.read_bytes())

    def sse_kms() -> None:
        s3("cp", str(scene.large), f"{url}/sealed", "--sse", "aws:kms",
           "--sse-kms-key-id", scene.key_arn)  # fmt: skip
        same(read("sealed"), scene.large.read_bytes())

    return Client(
        version.replace("/", " "),
        {
            "put": lambda: s3("cp", str(scene.small), f"{url}/small"),
            "multipart": lambda: s3("cp", str(scene.large), f"{url}/large"),
            "get": get,
            "range": part,
            "list": listing,
            "copy": copy,
            "sse-kms": sse_kms,
            "delete": lambda: s3("rm", "--recursive", url),
        },
    )


def rclone(scene: Scene) -> Client:
    program = found("rclone")
    version = run(scene, program, "version").split()[1]
    flags = ("--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", scene.endpoint,
             "--s3-region", scene.region, "--s3-force-path-style",
             "--s3-upload-cutoff", "8M")  # fmt: skip
    root = f":s3:{scene.bucket}/rclone"

    def call(*arguments: str) -> str:
        return run(scene, program, *flags, *arguments, RCLONE_CONFIG="/dev/null")

    def read(name: str) -> bytes:
        out = scene.out(f"rclone-{name}")
        call("copyto", f"{root}/{name}", str(out))
        return out.read_bytes()

    def get() -> None:
        same(read("small"), scene.small.read_bytes())
        same(read("large"), scene.large.read_bytes())

    def copy() -> None:
        call("copyto", f"{root}/small", f"{root}/copy")
        same(read("copy"), scene.small.read_bytes())

    def sse_kms() -> None:
        sse = ("--s3-server-side-encryption", "aws:kms", "--s3-sse-kms-key-id", scene.key_arn)
        call(*sse, "copyto", str(scene.large), f"{root}/sealed")
        same(read("sealed"), scene.large.read_bytes())

    def part() -> None:
        got = run_bytes(scene, program, *flags, "cat", "--offset", "5", "--count", "9",
                        f"{root}/large")  # fmt: skip
        same(got, scene.large.read_bytes()[5:14])

    return Client(
        f"rclone {version}",
        {
            "put": lambda: call("copyto", str(scene.small), f"{root}/small"),
            "multipart": lambda: call("copyto", str(scene.large), f"{root}/large"),
            "get": get,
            "range": part,
            "list": lambda: equal(call("lsf", root).split(), ["large", "small"]),
            "copy": copy,
            "sse-kms": sse_kms,
            "delete": lambda: call("delete", root),
        },
    )


def run_bytes(scene: Scene, *command: str) -> bytes:
    return subprocess.run(
        command,
        env={**scene.environment, "RCLONE_CONFIG": "/dev/null"},
        capture_output=True,
        timeout=PROGRAM_SECONDS_MAX,
        check=True,
    ).stdout


def s3cmd(scene: Scene) -> Client:
    program = found("s3cmd")
    version = run(scene, program, "--version").split()[-1]
    host = scene.endpoint.removeprefix("http://")
    flags = ("--config", "/dev/null", "--no-ssl", "--host", host, "--host-bucket", host,
             "--access_key", scene.access_key_id, "--secret_key", scene.secret_access_key,
             "--multipart-chunk-size-mb", "5", "--no-progress")  # fmt: skip
    root = f"s3://{scene.bucket}/s3cmd"

    def call(*arguments: str) -> str:
        return run(scene, program, *flags, *arguments)

    def read(name: str) -> bytes:
        out = scene.out(f"s3cmd-{name}")
        call("get", f"{root}/{name}", str(out))
        return out.read_bytes()

    def get() -> None:
        same(read("small"), scene.small.read_bytes())
        same(read("large"), scene.large.read_bytes())

    def listing() -> None:
        lines = call("ls", f"{root}/").splitlines()
        equal([line.split()[-1] for line in lines], [f"{root}/large", f"{root}/small"])

    def copy() -> None:
        call("cp", f"{root}/small", f"{root}/copy")
        same(read("copy"), scene.small.read_bytes())

    def sse_kms() -> None:
        sse = ("--server-side-encryption", "--server-side-encryption-kms-id", scene.key_arn)
        call(*sse, "put", str(scene.small), f"{root}/sealed")
        same(read("sealed"), scene.small.read_bytes())

    return Client(
        f"s3cmd {version}",
        {
            "put": lambda: call("put", str(scene.small), f"{root}/small"),
            "multipart": lambda: call("put", str(scene.large), f"{root}/large"),
            "get": get,
            "list": listing,
            "copy": copy,
            "sse-kms": sse_kms,
            "delete": lambda: call("rm", "--recursive", "--force", f"{root}/"),
        },
    )


def restic(scene: Scene) -> Client:
    """A backup program: put is init, multipart a backup, get a restore, list a check."""
    program = found("restic")
    version = run(scene, program, "version").split()[1]
    source = scene.folder / "restic-source"
    source.mkdir()
    shutil.copy(scene.large, source / "large.bin")

    def call(*arguments: str) -> str:
        repository = f"s3:{scene.endpoint}/{scene.bucket}/restic"
        return run(scene, program, "--no-cache", *arguments,
                   RESTIC_REPOSITORY=repository, RESTIC_PASSWORD="password")  # fmt: skip

    def restore() -> None:
        target = scene.folder / "restic-target"
        call("restore", "latest", "--target", str(target))
        (restored,) = target.rglob("large.bin")
        same(restored.read_bytes(), scene.large.read_bytes())

    return Client(
        f"restic {version}",
        {
            "put": lambda: call("init"),
            "multipart": lambda: call("backup", str(source)),
            "get": restore,
            "list": lambda: call("check", "--read-data"),
            "delete": lambda: call("forget", "--keep-last", "1", "--prune"),
        },
    )


def javascript(scene: Scene) -> Client:
    program = found("node")
    package = CLIENTS_FOLDER / "node_modules" / "@aws-sdk" / "client-s3" / "package.json"
    if not package.exists():
        raise MissingError("npm")

    def step(name: str) -> Callable[[], object]:
        return lambda: run(scene, program, str(CLIENTS_FOLDER / "javascript.mjs"), name)

    return Client("@aws-sdk/client-s3", {name: step(name) for name in STEPS})


PROGRAMS = (aws_cli_1, aws_cli_2, rclone, s3cmd, restic, javascript)
