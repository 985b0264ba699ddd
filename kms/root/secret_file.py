"""Files that hold a secret: regular, no links, and readable by their owner only."""

import os
import stat
from pathlib import Path

from kms.root.sealer import RootError

SECRET_FILE_BYTES_MAX = 4_096


def read_secret(path: Path, *, noun: str) -> bytearray:
    """The content of a secret file; the caller wipes it. Raises RootError, calling it `noun`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise RootError(f"cannot open the {noun} {path}: {error}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise RootError(f"the {noun} {path} is not a regular file")
        if status.st_mode & 0o077:
            raise RootError(f"the {noun} {path} can be used by others; run chmod 600 on it")
        if status.st_size > SECRET_FILE_BYTES_MAX:
            raise RootError(f"the {noun} {path} is longer than {SECRET_FILE_BYTES_MAX} bytes")
        content = bytearray(status.st_size)
        del content[os.readv(descriptor, [content]) :]
    finally:
        os.close(descriptor)
    return content


def write_secret(path: Path, content: bytearray, *, noun: str) -> None:
    """Make a secret file, durably, unless it exists. Raises RootError."""
    draft = path.with_name(path.name + ".new")
    try:
        draft.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(draft, flags, 0o600)
        try:
            os.write(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.link(draft, path)
        draft.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        raise RootError(f"cannot create the {noun} {path}: {error}") from None


def from_hexadecimal(digits: bytearray) -> bytearray:
    """The bytes that `digits`, an even number of them, spell; both are the caller's to wipe."""
    # Two digits at a time, so that no copy of the whole is left behind.
    return bytearray(int(digits[at : at + 2], 16) for at in range(0, len(digits), 2))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
