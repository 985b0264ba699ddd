import pytest

from kms.errors import KMSError
from kms.material import RANDOM_BYTES, generate


@pytest.mark.parametrize(("spec", "length"), RANDOM_BYTES.items())
def test_random_material(spec: str, length: int) -> None:
    first, second = generate(spec), generate(spec)
    assert isinstance(first, bytearray)
    assert len(first) == length
    assert first != second


def test_what_is_not_supported() -> None:
    with pytest.raises(KMSError, match="KeySpec SM2 is not supported"):
        generate("SM2")
