import pytest

from kms.root.sealer import BOX_BYTES, RootError, open_under, seal_under


def test_a_box_opens_with_its_secret_and_binding() -> None:
    secret = bytearray(b"s" * 32)
    box = seal_under(secret, b"k" * 32, b"binding")
    assert secret == bytes(32)
    assert len(box) == BOX_BYTES
    again = bytearray(b"s" * 32)
    assert open_under(again, box, b"binding", wrong="wrong") == b"k" * 32
    assert again == bytes(32)


@pytest.mark.parametrize("position", [0, 11, 12, 43, 44, 59])
def test_every_part_of_a_box_counts(position: int) -> None:
    box = bytearray(seal_under(bytearray(32), b"k" * 32, b""))
    box[position] ^= 1
    for damaged in (bytes(box), bytes(box[:-1]), b""):
        with pytest.raises(RootError, match=r"^wrong$"):
            open_under(bytearray(32), damaged, b"", wrong="wrong")
    with pytest.raises(RootError):
        open_under(bytearray(32), seal_under(bytearray(32), b"k" * 32, b""), b"x", wrong="wrong")
