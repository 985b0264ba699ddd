import pytest

from kms.errors import CATALOGUE, KMSError


def test_status_comes_from_the_catalogue() -> None:
    assert KMSError("NotFoundException", "gone").status == 400
    assert KMSError("KMSInternalException").status == 500
    assert set(CATALOGUE.values()) == {400, 500}


def test_codes_cannot_be_misspelt() -> None:
    with pytest.raises(KeyError):
        KMSError("NotFoundExeption")
