"""A real server on a real socket, shared by the tests that need one."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

START_SECONDS_MAX = 30


@dataclass(frozen=True, slots=True)
class Server:
    """A running `objstore serve`."""

    endpoint: str
    data: Path
    process: subprocess.Popen[str]
    access_key_id: str = "test"
    secret_access_key: str = "test"
    region: str = "us-east-1"
    session_token: str = ""

    def speaking_for(self, key: Mapping[str, Any]) -> "Server":
        """The same server as the owner of an access key or a session finds it."""
        return replace(
            self,
            access_key_id=key["AccessKeyId"],
            secret_access_key=key["SecretAccessKey"],
            session_token=key.get("SessionToken", ""),
        )

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of this server; no retries, so that a failure is seen."""
        config = Config(retries={"max_attempts": 0}).merge(options.pop("config", Config()))
        arguments = {
            "endpoint_url": self.endpoint,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "aws_session_token": self.session_token or None,
            "region_name": self.region,
            "config": config,
        }
        return boto3.client(service, **{**arguments, **options})

    def environment(self) -> dict[str, str]:
        """The variables that point the aws CLI here."""
        session = {"AWS_SESSION_TOKEN": self.session_token} if self.session_token else {}
        return {
            **os.environ,
            **session,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_PAGER": "",
        }

    def stop(self) -> int:
        """Stop it cleanly, if it runs, and return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(START_SECONDS_MAX)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def blob_files(self) -> list[Path]:
        """The files of all sealed blobs in its data folder."""
        return [path for path in (self.data / "blobs").rglob("*") if path.is_file()]

    def log(self) -> str:
        """What it has written to standard error."""
        return self.data.with_suffix(".log").read_text(encoding="utf-8")


def start_server(data: Path, *flags: str) -> Server:
    """Start `objstore serve` on a free port and wait until it serves."""
    log = data.with_suffix(".log").open("a", encoding="utf-8")
    command = [sys.executable, "-m", "objstore", "serve", "--data", str(data), "--port", "0"]
    with log:
        process = subprocess.Popen(
            [*command, *flags], stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    for line in process.stdout:
        found = re.match(r"objstore serves (\S+)", line)
        if found:
            return Server(found[1], data, process)
    process.wait(START_SECONDS_MAX)
    raise AssertionError(data.with_suffix(".log").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A development server for the whole session; tests use buckets of their own."""
    started = start_server(tmp_path_factory.mktemp("server") / "data", "--dev")
    yield started
    started.stop()


def serving(folder: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(*flags: str, data: str = "data") -> Server:
        started.append(start_server(folder / data, *flags))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers of the test's own: `serve("--workers", "2")`."""
    yield from serving(tmp_path)


@pytest.fixture(scope="module")
def serve_for_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """As `serve`, for a server that the tests of a module share."""
    yield from serving(tmp_path_factory.mktemp("servers"))
