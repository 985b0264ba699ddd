import json

import pytest

from objstore.account.simulation import context_keys, positions

TEXT = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
    {
      "Effect": "Deny",
      "Action": "s3:*",
      "Resource": "arn:aws:s3:::home/${aws:username}/*",
      "Condition": {
        "StringLike": {"aws:PrincipalTag/Team": "${ aws:userid , 'none' }"},
        "Null": {"s3:prefix": "true", "AWS:username": "true"}
      }
    }
  ]
}"""


def test_statements_are_found_in_a_text() -> None:
    lines = TEXT.splitlines()
    assert positions(TEXT) == [
        ({"Line": 3, "Column": 17}, {"Line": 4, "Column": len(lines[3])}),
        ({"Line": 4, "Column": len(lines[3])}, {"Line": 13, "Column": 6}),
    ]


@pytest.mark.parametrize("before", ["", '"Version": "2012-10-17", ', '"Id": "a \\"{[]}", '])
def test_a_lone_statement_is_found_too(before: str) -> None:
    statement = '{"Effect": "Allow", "Action": "*", "Resource": "*"}'
    text = "{" + before + '"Statement":' + statement + "}"
    assert json.loads(text)
    [(start, end)] = positions(text)
    assert text[start["Column"] - 1 : end["Column"] - 1] == statement


def test_keys_are_named_as_the_text_writes_them() -> None:
    assert context_keys(TEXT) == [
        "aws:PrincipalTag/Team",
        "s3:prefix",
        "AWS:username",
        "aws:userid",
    ]
    assert context_keys('{"Statement": {"Effect": "Allow"}}') == []


def test_a_hostile_text_is_read_once() -> None:
    """Half a variable, of any length, takes no time worth mentioning."""
    for half in ("${" + "a:" * 60_000 + " x", "${" * 60_000, "${a:b," * 20_000):
        condition = {"StringEquals": {"a:b": half}}
        assert context_keys(json.dumps({"Statement": {"Condition": condition}}))[0] == "a:b"
