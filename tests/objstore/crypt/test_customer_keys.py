"""Customers' keys: what their headers must be, and the data key that they wrap."""

import hashlib
import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from objstore.crypt import customer_keys
from objstore.crypt.customer_keys import READING, CopySourceKeyHeaders, CustomerKeyHeaders
from objstore.crypt.frames import TamperedError
from objstore.errors import S3Error

VECTORS = sorted(Path(__file__).parents[2].joinpath("vectors", "customer-keys").glob("*.json"))
KEY = bytearray(range(32))
DATA_KEY = bytearray(range(100, 132))
CONTEXT = {"aws:s3:arn": "arn:aws:s3:::b/k"}
MUST = "Requests specifying Server Side Encryption with Customer provided keys must "


def headers_of(key: bytes | bytearray, **changed: str | None) -> CustomerKeyHeaders:
    md5 = b64encode(hashlib.md5(key).digest()).decode()
    return replace(CustomerKeyHeaders("AES256", b64encode(key).decode(), md5), **changed)


GOOD = headers_of(KEY)


def test_headers_are_made_for_a_key() -> None:
    assert customer_keys.headers_for(bytes(KEY)) == GOOD


def test_a_key_is_read() -> None:
    assert customer_keys.read_key(GOOD) == KEY
    customer_keys.check(GOOD)
    assert customer_keys.read_key(headers_of(b"short")) == b"short"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (
            replace(GOOD, sse_customer_algorithm=None),
            MUST + "provide a valid encryption algorithm.",
        ),
        (replace(GOOD, sse_customer_key=None), MUST + "provide an appropriate secret key."),
        (
            replace(GOOD, sse_customer_key_md5=None),
            MUST + "provide the client calculated MD5 of the secret key.",
        ),
        (
            replace(GOOD, sse_customer_key="not base64"),
            "The secret key was invalid for the specified algorithm.",
        ),
        (
            replace(GOOD, sse_customer_key="é"),
            "The secret key was invalid for the specified algorithm.",
        ),
        (
            replace(GOOD, sse_customer_key_md5=headers_of(b"other").sse_customer_key_md5),
            "The calculated MD5 hash of the key did not match the hash that was provided.",
        ),
        (headers_of(bytes(31)), "The secret key was invalid for the specified algorithm."),
        (headers_of(bytes(33)), "The secret key was invalid for the specified algorithm."),
    ],
)
def test_refused_headers(headers: CustomerKeyHeaders, message: str) -> None:
    with pytest.raises(S3Error) as caught:
        customer_keys.check(headers)
    assert (caught.value.code, caught.value.status, caught.value.message) == (
        "InvalidArgument",
        400,
        message,
    )
    assert caught.value.fields["ArgumentName"] == "x-amz-server-side-encryption"


def test_only_aes256() -> None:
    with pytest.raises(S3Error) as caught:
        customer_keys.check(replace(GOOD, sse_customer_algorithm="AES128"))
    assert (caught.value.code, caught.value.message) == (
        "InvalidEncryptionAlgorithmError",
        "The Encryption request you specified is not valid. Supported value: AES256.",
    )
    assert caught.value.fields["ArgumentValue"] == "AES128"


def test_absence_and_copy_sources() -> None:
    assert CustomerKeyHeaders().absent
    assert not CustomerKeyHeaders(sse_customer_key_md5="x").absent
    source = CopySourceKeyHeaders("AES256", GOOD.sse_customer_key, GOOD.sse_customer_key_md5)
    assert source.customer == GOOD


def test_headers_do_not_show_their_key() -> None:
    key = GOOD.sse_customer_key
    assert key is not None
    assert key not in repr(GOOD)
    assert key not in repr(CopySourceKeyHeaders("AES256", key, None))


def test_a_data_key_is_wrapped_and_opened() -> None:
    wrapped = customer_keys.wrap(KEY, DATA_KEY, CONTEXT)
    assert len(wrapped) == 112
    assert bytes(DATA_KEY) not in wrapped
    assert bytes(KEY) not in wrapped
    assert hashlib.md5(KEY).digest() not in wrapped
    assert wrapped != customer_keys.wrap(KEY, DATA_KEY, CONTEXT)
    assert customer_keys.unwrap(KEY, wrapped, CONTEXT, wrong=READING.wrong) == DATA_KEY


def test_a_wrong_key_is_told_from_damage() -> None:
    wrapped = customer_keys.wrap(KEY, DATA_KEY, CONTEXT)
    with pytest.raises(S3Error) as caught:
        customer_keys.unwrap(bytearray(32), wrapped, CONTEXT, wrong=READING.wrong)
    assert (caught.value.code, caught.value.status, caught.value.message) == (
        "AccessDenied",
        403,
        MUST + "provide the correct secret key.",
    )
    with pytest.raises(TamperedError, match="data key"):
        customer_keys.unwrap(KEY, wrapped, {"aws:s3:arn": "other"}, wrong=READING.wrong)


def test_every_changed_bit_is_noticed() -> None:
    wrapped = customer_keys.wrap(KEY, DATA_KEY, CONTEXT)
    for at in range(len(wrapped)):
        for bit in range(8):
            changed = bytearray(wrapped)
            changed[at] ^= 1 << bit
            expected = S3Error if at < 64 else TamperedError
            with pytest.raises(expected):
                customer_keys.unwrap(KEY, bytes(changed), CONTEXT, wrong=READING.wrong)
    for length in range(64, len(wrapped)):
        with pytest.raises(TamperedError):
            customer_keys.unwrap(KEY, wrapped[:length], CONTEXT, wrong=READING.wrong)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vectors(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text())
    key = bytearray.fromhex(vector["customer_key"])
    wrapped = bytes.fromhex(vector["wrapped_key"])
    if vector["outcome"] == "opens":
        opened = customer_keys.unwrap(key, wrapped, vector["context"], wrong=READING.wrong)
        assert opened == bytearray.fromhex(vector["data_key"])
        return
    expected = S3Error if vector["outcome"] == "wrong key" else TamperedError
    with pytest.raises(expected):
        customer_keys.unwrap(key, wrapped, vector["context"], wrong=READING.wrong)


def test_there_are_vectors() -> None:
    assert {json.loads(path.read_text())["outcome"] for path in VECTORS} == {
        "opens",
        "wrong key",
        "data key",
    }
