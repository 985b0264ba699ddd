import ast
from pathlib import Path

import pytest

from objstore import errors
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


def test_every_code_that_is_raised_is_in_the_catalogue() -> None:
    package = Path(errors.__file__).parent
    raised = {
        (node.args[0].value, path.name, node.lineno)
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "S3Error"
        and isinstance(node.args[0], ast.Constant)
    }
    assert len(raised) > 50
    assert {place for place in raised if place[0] not in CATALOGUE} == set()
