"""What keeps other processes, and the disk, from reading this process's memory."""

import ctypes
import os
import resource
import sys

_PR_SET_DUMPABLE = 4


def harden() -> None:
    """Forbid core dumps, and that processes of the same user trace this one or read its memory.

    Linux then also lets only root read the process's environment and open files in /proc.
    Source: https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        library = ctypes.CDLL(None, use_errno=True)
        if library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
