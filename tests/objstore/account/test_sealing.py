import base64

import pytest

from objstore.account.sealing import SEALED_LENGTH_MAX, SealError, Sealing

SEALING = Sealing(bytes(32))


def test_what_is_sealed_opens_for_the_same_purpose_only() -> None:
    text = SEALING.seal("session", b"secret")
    assert SEALING.open("session", text) == b"secret" == Sealing(bytes(32)).open("session", text)
    assert text != SEALING.seal("session", b"secret")
    for other, purpose in ((SEALING, "message"), (Sealing(b"\1" * 32), "session")):
        with pytest.raises(SealError):
            other.open(purpose, text)


def test_every_changed_bit_is_noticed() -> None:
    raw = base64.b64decode(SEALING.seal("session", b"secret"))
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealError):
            SEALING.open("session", base64.b64encode(changed).decode())


@pytest.mark.parametrize("text", ["", "A", "AQ==", "!!!!", "ü", "A" * (SEALED_LENGTH_MAX + 4)])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(SealError):
        SEALING.open("session", text)
