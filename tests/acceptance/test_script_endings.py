"""However a script of scripts/ ends, its server and its folder do not stay."""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
SECONDS_MAX = 60
SCRIPT = f"""
import sys, threading, time
sys.path.insert(0, {str(SCRIPTS / "faults")!r})
from server import Server
from workplace import workplace
with workplace("ending") as folder:
    server = Server(folder / "data", 2)
    while len(server.workers()) < 2:
        time.sleep(0.01)
    print(folder, server.process.pid, *server.workers(), flush=True)
    while True:
        try:
            threading.Event().wait()
        except BaseException:
            continue  # as a runner of tests may
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


class Started:
    """The script, or another that runs it, once its server is up."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        folder, *pids = process.stdout.readline().split()
        self.process = process
        self.folder = Path(folder)
        self.handles = [os.pidfd_open(int(pid)) for pid in pids]
        assert self.folder.is_dir()
        assert len(pids) == 3

    def servers_left(self) -> int:
        """How many processes of the server are still there after a while."""
        left = {*self.handles}
        poll = select.poll()
        for handle in left:
            poll.register(handle, select.POLLIN)
        while left and (ended := poll.poll(SECONDS_MAX * 1000)):
            for handle, _ in ended:
                poll.unregister(handle)
                left.remove(handle)
        return len(left)


def start(*command: str) -> Iterator[Started]:
    process = subprocess.Popen([sys.executable, "-c", *command], stdout=subprocess.PIPE, text=True)
    with process:
        try:
            started = Started(process)
            yield started
            for handle in started.handles:
                os.close(handle)
        finally:
            process.kill()


@pytest.fixture
def script() -> Iterator[Started]:
    yield from start(SCRIPT)


@pytest.fixture
def script_of_another() -> Iterator[Started]:
    yield from start(PARENT, SCRIPT)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing(script: Started, number: signal.Signals) -> None:
    script.process.send_signal(number)
    assert script.process.wait(SECONDS_MAX) == 128 + number
    assert script.servers_left() == 0
    assert not script.folder.exists()


def test_the_death_of_the_parent_leaves_nothing(script_of_another: Started) -> None:
    script_of_another.process.kill()
    assert script_of_another.process.stdout is not None
    assert script_of_another.process.stdout.read() == ""  # The script has ended.
    assert script_of_another.servers_left() == 0
    assert not script_of_another.folder.exists()


def test_sigkill_leaves_no_server(script: Started) -> None:
    script.process.kill()
    assert script.servers_left() == 0
    shutil.rmtree(script.folder)


def test_every_script_works_in_such_a_folder() -> None:
    for path in SCRIPTS.glob("**/*.py"):
        if path.name != "workplace.py":
            assert not re.search(r"mkdtemp|TemporaryDirectory|NamedTemp", path.read_text()), path
