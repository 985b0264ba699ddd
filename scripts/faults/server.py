"""A server to do harm to, and clients that do not try again."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.config import Config
from workplace import follow_parent

START_SECONDS_MAX = 60


class Server:
    """`objstore serve` in a process group of its own, so that every process of it can be killed."""

    def __init__(
        self,
        data: Path,
        workers: int,
        *,
        flags: Sequence[str] = (),
        program: Sequence[str] = (sys.executable, "-m", "objstore"),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._log = data.with_suffix(".log").open("ab")
        command = [*program, "serve", "--dev", "--log-level", "error"]
        self.process = subprocess.Popen(
            [*command, "--data", str(data), "--port", "0", "--workers", str(workers), *flags],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
            preexec_fn=follow_parent,
            env={**os.environ, **(environment or {})},
        )
        assert self.process.stdout is not None
        found = None
        while found is None:
            line = self.process.stdout.readline()
            if not line:
                raise click.ClickException(f"the server does not start: see {self._log.name}")
            found = re.match(r"objstore serves (\S+)", line)
        self.endpoint = found[1]

    def kill(self) -> None:
        """Kill all of its processes, if it runs, and wait until none of them does."""
        if self.process.poll() is not None:
            return
        workers = self.workers()
        os.killpg(self.process.pid, signal.SIGKILL)
        self._finish()
        while any(_runs(worker) for worker in workers):
            time.sleep(0.01)

    def workers(self) -> list[int]:
        """The ids of its worker processes; none if it serves alone."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(one) for one in children if "spawn_main" in _command_of(one)]

    def stop(self) -> None:
        self.process.terminate()
        self._finish()

    def _finish(self) -> None:
        self.process.wait(START_SECONDS_MAX)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()


def _command_of(pid: str) -> str:
    """The command line of a process, which may be gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def client(
    endpoint: str, service: str, *, connections: int = 1, certificate: Path | None = None
) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
        verify=None if certificate is None else str(certificate),
        config=Config(
            retries={"max_attempts": 0}, read_timeout=60, max_pool_connections=connections
        ),
    )
