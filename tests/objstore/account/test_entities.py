import pytest

from objstore.account.entities import (
    POLICY,
    PROVIDER,
    ROLE,
    USER,
    Kind,
    arn_for,
    arn_of,
    encoded,
    split_arn,
)
from objstore.storage.records import Identity


@pytest.mark.parametrize(
    ("kind", "text", "parts"),
    [
        (USER, "arn:aws:iam::123456789012:user/bob", ("123456789012", "/", "bob")),
        (ROLE, "arn:aws:iam::123456789012:role/a/b/c", ("123456789012", "/a/b/", "c")),
        (
            POLICY,
            "arn:aws:iam::aws:policy/AdministratorAccess",
            ("aws", "/", "AdministratorAccess"),
        ),
        (
            PROVIDER,
            "arn:aws:iam::123456789012:oidc-provider/example.com/id/7",
            ("123456789012", "/", "example.com/id/7"),
        ),
        (ROLE, "arn:aws:iam::123456789012:user/bob", None),
        (ROLE, "arn:aws:sts::123456789012:role/bob", None),
        (ROLE, "arn:aws:iam:us-east-1:123456789012:role/bob", None),
        (ROLE, "arn:aws:iam::123456789012:role", None),
        (ROLE, "arn:aws-cn:iam::123456789012:role/bob", None),
        (ROLE, "role/bob", None),
    ],
)
def test_arns_are_split(kind: Kind, text: str, parts: tuple[str, str, str] | None) -> None:
    assert split_arn(text, kind) == parts


def test_arns_are_made() -> None:
    bob = Identity("123456789012", "user", "bob", "AIDA", "/a/b/", 0)
    assert arn_of(bob) == "arn:aws:iam::123456789012:user/a/b/bob"
    assert arn_for(USER, "123456789012", "bob") == "arn:aws:iam::123456789012:user/bob"


def test_documents_travel_encoded() -> None:
    assert encoded('{"a": "b/c"}') == "%7B%22a%22%3A%20%22b%2Fc%22%7D"
