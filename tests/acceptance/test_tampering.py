"""Whoever can write the disk cannot make the server say anything that was not stored.

Here over the wire, at every bit of the header and both ends of the chunk; every bit of a whole
blob is in tests/objstore/operations/test_read.py.
"""

import http.client
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

BUCKET = "tampered"
# The smallest that does not lie inline: a header, one chunk, a tag.
DATA = bytes(range(250)) * 66
OTHER = DATA[::-1]
HEADER_BYTES = 128
EDGE_BYTES = 16
MIDDLE_STRIDE = 499


@pytest.fixture(scope="module", params=["AES256", "aws:kms"])
def stored(request: pytest.FixtureRequest, serve_for_module: Callable[..., Any]) -> Any:
    """A server with two objects, and their blobs' files."""
    mode = request.param
    server = serve_for_module("--dev", "--log-level", "error", data=mode.replace(":", "-"))
    s3 = server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    files: list[Path] = []
    for key, data in (("one", DATA), ("other", OTHER)):
        known = set(server.blob_files())
        s3.put_object(Bucket=BUCKET, Key=key, Body=data, ServerSideEncryption=mode)
        files += set(server.blob_files()) - known
    one, other = files
    return server, one, other


@pytest.fixture
def get(stored: Any, wire: Any) -> Iterator[Callable[[], bytes]]:
    """What a GET of the first object answers; nothing for an InternalError."""
    server, _, _ = stored
    target = f"/{BUCKET}/one"
    headers = wire(server).sign("GET", target)
    connection = http.client.HTTPConnection(urlsplit(server.endpoint).netloc, timeout=60)

    def get() -> bytes:
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        body = response.read()
        if response.status == 200:
            return body
        assert response.status == 500
        assert b"<Code>InternalError</Code>" in body
        assert re.search(b"<RequestId>[0-9A-F]{16}</RequestId>", body)
        return b""

    yield get
    connection.close()


def rewrite(path: Path, data: bytes | bytearray) -> None:
    """Write in place, so that the file stays the same one."""
    with path.open("r+b") as file:
        file.write(data)
        file.truncate(len(data))


def test_no_bit_can_be_flipped(stored: Any, get: Callable[[], bytes]) -> None:
    _, one, _ = stored
    sealed = one.read_bytes()
    size = len(sealed)
    places = {
        *range(HEADER_BYTES + EDGE_BYTES),
        *range(HEADER_BYTES, size, MIDDLE_STRIDE),
        *range(size - 2 * EDGE_BYTES, size),
    }
    for at in places:
        for bit in range(8):
            changed = bytearray(sealed)
            changed[at] ^= 1 << bit
            rewrite(one, changed)
            assert get() == b"", f"byte {at}, bit {bit}"
    rewrite(one, sealed)
    assert get() == DATA


def test_nothing_can_be_cut_off_or_added(stored: Any, get: Callable[[], bytes]) -> None:
    _, one, _ = stored
    sealed = one.read_bytes()
    lengths = [*range(HEADER_BYTES + EDGE_BYTES), len(sealed) - 17, len(sealed) - 16]
    for length in (*lengths, len(sealed) - 1):
        rewrite(one, sealed[:length])
        assert get() == b"", f"{length} bytes"
    rewrite(one, sealed + b"\0")
    assert get() == b""
    rewrite(one, sealed)
    assert get() == DATA


def test_blobs_cannot_be_exchanged(stored: Any, get: Callable[[], bytes]) -> None:
    _, one, other = stored
    first, second = one.read_bytes(), other.read_bytes()
    assert len(first) == len(second)
    rewrite(one, second)
    rewrite(other, first)
    assert get() == b""
    rewrite(one, first[:HEADER_BYTES] + second[HEADER_BYTES:])
    assert get() == b""
    rewrite(one, first)
    rewrite(other, second)
    assert get() == DATA


def test_a_file_that_is_gone_is_an_error_and_no_other_object(
    stored: Any, get: Callable[[], bytes]
) -> None:
    _, one, _ = stored
    sealed = one.read_bytes()
    one.unlink()
    assert get() == b""
    one.write_bytes(sealed)
    assert get() == DATA
