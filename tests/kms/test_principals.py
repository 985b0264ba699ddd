import pytest

from kms.aws.identity import Entity
from kms.errors import KMSError
from kms.principals import Principals

ACCOUNT = "111122223333"
BOB = Entity("AIDABOB", f"arn:aws:iam::{ACCOUNT}:user/team/bob")
ROLE = Entity("AROAR", f"arn:aws:iam::{ACCOUNT}:role/path/R")
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/R/one"
FEDERATED = f"arn:aws:sts::{ACCOUNT}:federated-user/guest"


class Directory:
    """Two identities."""

    def named(self, account: str, kind: str, name: str) -> Entity | None:
        return {(ACCOUNT, "user", "bob"): BOB, (ACCOUNT, "role", "R"): ROLE}.get(
            (account, kind, name)
        )

    def by_id(self, unique_id: str) -> Entity | None:
        return {"AIDABOB": BOB, "AROAR": ROLE}.get(unique_id)


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        (ROOT, ACCOUNT),
        (BOB.arn, "AIDABOB"),
        (ROLE.arn, "AROAR"),
        (SESSION, "AROAR:one"),
        (FEDERATED, f"{ACCOUNT}:guest"),
        ("s3.amazonaws.com", "s3.amazonaws.com"),
    ],
)
def test_names_are_bound_to_what_lasts_and_shown_again(name: str, bound: str) -> None:
    principals = Principals(Directory())
    assert principals.bind(name) == bound
    assert principals.shown(bound) == name


@pytest.mark.parametrize(
    "name",
    [
        f"arn:aws:iam::{ACCOUNT}:user/bob",
        f"arn:aws:iam::{ACCOUNT}:user/eve",
        f"arn:aws:iam::{ACCOUNT}:role/bob",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/Other/one",
    ],
)
def test_names_of_nobody(name: str) -> None:
    with pytest.raises(KMSError) as caught:
        Principals(Directory()).bind(name)
    assert (caught.value.code, caught.value.message) == (
        "InvalidArnException",
        f"ARN does not refer to a valid principal: {name}",
    )


@pytest.mark.parametrize(
    "name",
    [
        f"arn:aws:sts::{ACCOUNT}:assumed-role/R",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/path/R/one",
        f"arn:aws:sts::{ACCOUNT}:federated-user/",
        f"arn:aws:iam::{ACCOUNT}:group/g",
        f"arn:aws:iam::{ACCOUNT}:root/x",
        f"arn:aws:iam:us-east-1:{ACCOUNT}:root",
        "arn:aws:iam::1:root",
        "arn:aws:iam::11112222333x:root",
        "arn:aws:s3:::bucket",
        "arn:aws",
    ],
)
def test_what_names_no_principal(name: str) -> None:
    with pytest.raises(KMSError) as caught:
        Principals(Directory()).bind(name)
    assert (caught.value.code, caught.value.message) == (
        "InvalidArnException",
        f"ARN is not valid: {name}",
    )


@pytest.mark.parametrize("unique_id", ["AIDABOB", "AROAR", "AROAR:one"])
def test_unique_ids_stand_for_themselves(unique_id: str) -> None:
    assert Principals(Directory()).bind(unique_id) == unique_id


@pytest.mark.parametrize(
    "name", ["AIDAGONE", "AROAGONE:one", "AROAR:", "AIDABOB:one", ACCOUNT, "bob", "*", ""]
)
def test_unique_ids_of_nobody(name: str) -> None:
    for principals in (Principals(Directory()), Principals(None)):
        for member, text in (
            ("", "Input does not refer to a valid principal"),
            ("GranteePrincipal", "GranteePrincipal does not refer to a valid principal."),
        ):
            with pytest.raises(KMSError) as caught:
                principals.bind(name, member=member)
            assert (caught.value.code, caught.value.message) == ("InvalidArnException", text)


@pytest.mark.parametrize("bound", ["AIDAGONE", "AROAGONE:one"])
def test_who_is_gone_is_shown_by_unique_id(bound: str) -> None:
    assert Principals(Directory()).shown(bound) == bound


@pytest.mark.parametrize("name", [BOB.arn, ROLE.arn, SESSION])
def test_without_a_directory_arns_stand_for_themselves(name: str) -> None:
    principals = Principals(None)
    assert principals.bind(name) == name
    assert principals.shown(name) == name
