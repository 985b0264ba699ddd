import gc

from kms.aws.wiping import WipingBytes


def test_the_bytes_are_zeroed_when_nobody_holds_them() -> None:
    seen: list[bytes] = []

    class Watched(WipingBytes):
        def __del__(self) -> None:
            super().__del__()
            seen.append(bytes(self))

    buffer = Watched(b"secret")
    other = [buffer]
    del buffer
    gc.collect()
    assert seen == []
    assert other.pop() == b"secret"
    gc.collect()
    assert seen == [bytes(6)]
