import pytest

from objstore.errors import CATALOGUE, S3Error


def test_status_and_message_come_from_the_catalogue() -> None:
    error = S3Error("NoSuchKey", Key="a")
    assert (error.code, error.status, error.fields) == ("NoSuchKey", 404, {"Key": "a"})
    assert error.message == "The specified key does not exist."
    assert S3Error("InvalidArgument", "Bad part number").message == "Bad part number"


def test_a_misspelt_code_does_not_pass() -> None:
    with pytest.raises(KeyError):
        S3Error("NoSuchKye")


def test_catalogue_statuses_are_http_errors() -> None:
    assert all(300 <= status < 600 and message for status, message in CATALOGUE.values())
    assert list(CATALOGUE) == sorted(CATALOGUE)
