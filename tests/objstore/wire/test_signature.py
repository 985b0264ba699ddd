from dataclasses import dataclass
from typing import Any

import pytest

from kms.aws.model import load
from objstore.wire.signature import Signature, signature_of

IAM = load("iam")
OPERATION = IAM.operations["ListGroupsForUser"]


@dataclass(frozen=True, slots=True)
class Page:
    marker: str | None = None
    max_items: int | None = None


FIRST = Page()


def signature(handler: Any, **more: Any) -> Signature:
    assert OPERATION.input is not None
    return signature_of(OPERATION, IAM.shape(OPERATION.input), handler, **more)


def plain(call: Any, *, user_name: str, marker: str | None = None) -> None:
    del call, user_name, marker


def grouped(call: Any, *, user_name: str, page: Page = FIRST) -> None:
    del call, user_name, page


def demanding(call: Any, *, page: Page) -> None:
    del call, page


def inventing(call: Any, *, user_name: str, colour: str) -> None:
    del call, user_name, colour


def test_members_go_where_the_signature_says() -> None:
    values = {"user_name": "bob", "marker": "m"}
    assert signature(plain).arguments(dict(values)) == values
    assert signature(grouped).arguments(dict(values)) == {"user_name": "bob", "page": Page("m")}


def test_a_group_without_any_value_is_the_handlers_default() -> None:
    assert signature(grouped).arguments({"user_name": "bob"})["page"] is FIRST
    consumed = frozenset({"UserName"})
    assert signature(demanding, consumed=consumed).arguments({}) == {"page": FIRST}


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (demanding, "the handler of ListGroupsForUser must take ['user_name']"),
        (inventing, "ListGroupsForUser has no member ['colour']"),
    ],
)
def test_a_signature_that_does_not_fit_is_found(handler: Any, reason: str) -> None:
    with pytest.raises(TypeError) as caught:
        signature(handler)
    assert str(caught.value) == reason


def test_an_operation_may_have_no_input() -> None:
    def handler(call: Any) -> None:
        del call

    operation = IAM.operations["DeleteAccountPasswordPolicy"]
    assert signature_of(operation, None, handler).arguments({}) == {}
