"""A folder for a script to work in, and what becomes of it and of the script's processes.

However the script ends, none of them stays: not by SIGINT, SIGTERM or SIGHUP, and not when the
process that started it dies, unless it was told to outlive that (nohup). What is done then does not
go through the script's own code, which may be anywhere. Only SIGKILL leaves the folder.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBRARY = ctypes.CDLL(None)
_folders: list[Path] = []


@contextmanager
def workplace(name: str, *, within: Path | None = None) -> Iterator[Path]:
    """A new folder, in the system's folder for such things or `within` another."""
    if not _folders:
        _watch()
    folder = Path(tempfile.mkdtemp(prefix=f"objstore-{name}-", dir=within))
    _folders.append(folder)
    try:
        yield folder
    finally:
        if len(_folders) == 1:
            _kill_descendants()
        _remove(folder)
        _folders.remove(folder)


def follow_parent() -> None:
    """Have this process stopped when the one that started it dies, were it by SIGKILL."""
    if sys.platform == "linux":
        _LIBRARY.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _watch() -> None:
    owner = os.getpid()

    def end(number: int, _: FrameType | None) -> None:
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN if os.getpid() == owner else signal.SIG_DFL)
        if os.getpid() != owner:  # A child that was forked has no say.
            os.kill(os.getpid(), number)
            return
        _kill_descendants()
        for folder in reversed(_folders):
            _remove(folder)
        os._exit(128 + number)

    if sys.platform == "linux":  # What a child leaves behind is ours then.
        _LIBRARY.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        follow_parent()
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


def _kill_descendants() -> None:
    """Kill every process that came from this one, and wait until none is left."""
    while children := _children(os.getpid()):
        for pid in [*children, *(below for child in children for below in _below(child))]:
            _kill(pid)
        for child in children:
            try:
                os.waitpid(child, 0)
            except ChildProcessError:
                continue


def _below(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _below(child)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:  # The thread, or all of the process, is gone.
            continue
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _remove(folder: Path) -> None:
    """Remove a folder, and what is mounted in it."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        mounted = Path(line.split()[1])
        if mounted.is_relative_to(folder):
            subprocess.run(["umount", str(mounted)], check=False)
    shutil.rmtree(folder, ignore_errors=True)
