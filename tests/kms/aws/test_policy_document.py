import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given as cases
from hypothesis import strategies as st

from kms.aws import policy_document
from kms.aws.context import Context, given
from kms.aws.policy_document import (
    DOCUMENT_BYTES_MAX,
    Effect,
    Flaw,
    Policy,
    PolicyError,
    PolicyKind,
    parse,
)

ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
KEY = {**ALLOW, "Principal": "*", "Action": "kms:*"}
EXCEPTED = {**ALLOW, "NotPrincipal": {"AWS": "111122223333"}, "Action": "kms:*"}
TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "111122223333"}}


def document(*statements: Any, version: Any = "2012-10-17", **more: Any) -> str:
    return json.dumps({"Version": version, "Statement": list(statements), **more})


def identity(*statements: Any) -> Policy:
    return parse(document(*statements), kind=PolicyKind.IDENTITY)


def without(statement: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in statement.items() if key != name}


ID, TR, KP = PolicyKind.IDENTITY, PolicyKind.TRUST, PolicyKind.KEY


@pytest.mark.parametrize(
    ("text", "kind", "flaw", "detail"),
    [
        ("", ID, Flaw.NOT_JSON, ""),
        ("[]", ID, Flaw.NOT_JSON, ""),
        ("{", ID, Flaw.NOT_JSON, ""),
        ("[" * 100_000, ID, Flaw.NOT_JSON, ""),
        (document({**KEY, "Principal": {"AWS": "\ud800"}}), KP, Flaw.NOT_JSON, ""),
        (document({**KEY, "\ud800": ""}), KP, Flaw.NOT_JSON, ""),
        ('{"Id": "\ud800"}', KP, Flaw.NOT_JSON, ""),
        ('{"Statement": [], "Statement": []}', ID, Flaw.NOT_JSON, ""),
        ('{"Version": "2012-10-17", "Statement": ' + "9" * 5_000 + "}", ID, Flaw.NOT_JSON, ""),
        (" " * (DOCUMENT_BYTES_MAX + 1), ID, Flaw.TOO_LONG, str(DOCUMENT_BYTES_MAX)),
        (document(ALLOW, Extra=1), ID, Flaw.FIELD_UNKNOWN, "Extra"),
        (document(ALLOW, version="2012-10-18"), ID, Flaw.VERSION, "2012-10-18"),
        (document(ALLOW, version=1), ID, Flaw.VERSION, "1"),
        (json.dumps({"Statement": [ALLOW]}), ID, Flaw.VERSION, "None"),
        (document(ALLOW, Id=7), ID, Flaw.FIELD_TYPE, "Id"),
        (document(), ID, Flaw.FIELD_MISSING, "Statement"),
        ('{"Version": "2012-10-17"}', ID, Flaw.FIELD_MISSING, "Statement"),
        (document("x"), ID, Flaw.FIELD_TYPE, "Statement"),
        (document({**ALLOW, "Effekt": "x"}), ID, Flaw.FIELD_UNKNOWN, "Effekt"),
        (document(without(ALLOW, "Effect")), ID, Flaw.FIELD_MISSING, "Effect"),
        (document({**ALLOW, "Effect": "allow"}), ID, Flaw.EFFECT, "allow"),
        (document({**ALLOW, "Effect": ["Allow"]}), ID, Flaw.EFFECT, "['Allow']"),
        (document({**ALLOW, "Sid": 1}), ID, Flaw.FIELD_TYPE, "Sid"),
        (document({**ALLOW, "Sid": "a b"}), ID, Flaw.SID, "a b"),
        (document({**TRUST, "Sid": "a-b"}), TR, Flaw.SID, "a-b"),
        (document({**ALLOW, "Sid": "a"}, {**ALLOW, "Sid": "a"}), ID, Flaw.SID_REPEATED, "a"),
        (document(KEY), ID, Flaw.FIELD_PROHIBITED, "Principal"),
        (document({**ALLOW, "NotPrincipal": "*"}), ID, Flaw.FIELD_PROHIBITED, "NotPrincipal"),
        (document(ALLOW), KP, Flaw.FIELD_MISSING, "Principal"),
        (document({**KEY, "Principal": "bob"}), KP, Flaw.PRINCIPAL, '"bob"'),
        (document({**KEY, "Principal": {}}), KP, Flaw.PRINCIPAL, "{}"),
        (document({**KEY, "Principal": {"AWS": "bob"}}), KP, Flaw.PRINCIPAL, '"AWS":"bob"'),
        (document({**KEY, "Principal": {"AWS": [1]}}), KP, Flaw.FIELD_TYPE, "Principal"),
        (document({**KEY, "Principal": {"AWS": []}}), KP, Flaw.FIELD_MISSING, "Principal"),
        (document({**KEY, "NotPrincipal": "*"}), KP, Flaw.FIELD_PROHIBITED, "NotPrincipal"),
        (document(EXCEPTED), KP, Flaw.FIELD_PROHIBITED, "NotPrincipal"),
        (
            document({**without(TRUST, "Principal"), "NotPrincipal": "*", "Effect": "Deny"}),
            TR,
            Flaw.FIELD_PROHIBITED,
            "NotPrincipal",
        ),
        (document(without(ALLOW, "Action")), ID, Flaw.FIELD_MISSING, "Action"),
        (document({**ALLOW, "Action": []}), ID, Flaw.FIELD_MISSING, "Action"),
        (document({**ALLOW, "Action": "s3"}), ID, Flaw.ACTION, "s3"),
        (document({**ALLOW, "Action": ":Get"}), ID, Flaw.ACTION, ":Get"),
        (document({**ALLOW, "Action": "s3:a:b"}), ID, Flaw.ACTION, "s3:a:b"),
        (document({**ALLOW, "Action": {"s3": 1}}), ID, Flaw.FIELD_TYPE, "Action"),
        (document({**ALLOW, "NotAction": "s3:*"}), ID, Flaw.FIELD_PROHIBITED, "NotAction"),
        (document(without(ALLOW, "Resource")), ID, Flaw.FIELD_MISSING, "Resource"),
        (document({**ALLOW, "Resource": "bucket"}), ID, Flaw.RESOURCE, "bucket"),
        (document({**ALLOW, "Resource": "arn:${x"}), ID, Flaw.RESOURCE, "arn:${x"),
        (document({**TRUST, "Resource": "*"}), TR, Flaw.FIELD_PROHIBITED, "Resource"),
        (document({**ALLOW, "Condition": []}), ID, Flaw.FIELD_TYPE, "Condition"),
        (document({**ALLOW, "Condition": {"Bool": {}}}), ID, Flaw.FIELD_TYPE, "Bool"),
        (document({**ALLOW, "Condition": {"Is": {"a:b": "c"}}}), ID, Flaw.OPERATOR, "Is"),
        (document({**ALLOW, "Condition": {"Bool": {"b": "true"}}}), ID, Flaw.CONDITION_KEY, "b"),
        (document({**ALLOW, "Condition": {"Bool": {"a:b": "c"}}}), ID, Flaw.CONDITION_VALUE, "c"),
        (document({**ALLOW, "Condition": {"Bool": {"a:b": []}}}), ID, Flaw.CONDITION_VALUE, "a:b"),
        (document({**ALLOW, "Condition": {"Bool": {"a:b": {}}}}), ID, Flaw.CONDITION_VALUE, "a:b"),
    ],
)
def test_flaws(text: str, kind: PolicyKind, flaw: Flaw, detail: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(text, kind=kind)
    assert (caught.value.flaw, caught.value.detail) == (flaw, detail)
    assert flaw.value in str(caught.value)


def test_a_statement_may_stand_alone_and_the_version_be_left_out() -> None:
    text = json.dumps({"Statement": {**KEY, "Sid": "Any words, here"}})
    policy = parse(text, kind=PolicyKind.KEY, name="k")
    assert [statement.label for statement in policy.statements] == ["Any words, here"]
    assert policy.text == text


@pytest.mark.parametrize(
    ("element", "value", "action", "expected"),
    [
        ("Action", "s3:GetObject", "s3:GetObject", True),
        ("Action", "S3:getobject", "s3:GetObject", True),
        ("Action", "s3:Get*", "s3:GetObjectAcl", True),
        ("Action", "s3:Get*", "s3:PutObject", False),
        ("Action", ["kms:*", "s3:PutObject"], "s3:PutObject", True),
        ("Action", "s3:?etObject", "s3:GetObject", True),
        ("Action", "*", "kms:Decrypt", True),
        ("Action", "s3*:GetObject", "s3:GetObject", True),
        ("NotAction", "s3:*", "s3:GetObject", False),
        ("NotAction", "s3:*", "kms:Decrypt", True),
    ],
)
def test_actions(element: str, value: str | list[str], action: str, expected: bool) -> None:
    policy = identity({**without(ALLOW, "Action"), element: value})
    for _ in range(2):  # The second answer is remembered.
        assert bool(policy.about(action).allowing) is expected


@pytest.mark.parametrize(
    ("element", "value", "resource", "expected"),
    [
        ("Resource", "*", "arn:aws:s3:::b", True),
        ("Resource", "*", "*", True),
        ("Resource", "arn:aws:s3:::b", "*", False),
        ("Resource", ["arn:aws:s3:::a", "arn:aws:s3:::b"], "arn:aws:s3:::b", True),
        ("NotResource", ["arn:aws:s3:::a", "arn:aws:s3:::b"], "arn:aws:s3:::b", False),
        ("NotResource", "arn:aws:s3:::a", "arn:aws:s3:::b", True),
        ("Resource", "arn:aws:s3:::${aws:username}", "arn:aws:s3:::bob", True),
    ],
)
def test_resources(element: str, value: str | list[str], resource: str, expected: bool) -> None:
    policy = identity({**without(ALLOW, "Resource"), element: value})
    context = Context(given({"aws:username": "bob"}))
    assert policy.statements[0].applies(resource, context) is expected


def test_all_conditions_must_hold_and_values_may_be_numbers_and_booleans() -> None:
    conditions = {
        "Bool": {"aws:SecureTransport": True},
        "NumericLessThan": {"s3:max-keys": 11, "s3:signatureage": [0.5, 600]},
    }
    policy = identity({**ALLOW, "Condition": conditions})
    statement = policy.statements[0]
    known = {"aws:securetransport": "true", "s3:max-keys": "10", "s3:signatureage": "100"}
    assert statement.applies("*", Context(given(known)))
    for key in known:
        assert not statement.applies("*", Context(given({**known, key: "1000"})))
    assert policy.keys == set(known)


def test_what_a_policy_depends_on() -> None:
    assert identity(ALLOW).keys == frozenset()
    statement = {**ALLOW, "Resource": "arn:aws:s3:::${aws:username, 'x'}/*"}
    assert identity(ALLOW, statement).keys == {"aws:username"}
    older = parse(document(KEY, version="2008-10-17"), kind=PolicyKind.KEY)
    assert older.statements[0].effect is Effect.ALLOW


def test_statements_that_are_about_an_action() -> None:
    conditional = {
        **ALLOW,
        "Action": "s3:Get*",
        "Condition": {"Bool": {"aws:SecureTransport": "true"}},
    }
    policy = identity(ALLOW, {**ALLOW, "Action": "kms:*"}, {**ALLOW, "Effect": "Deny"}, conditional)
    about = policy.about("s3:GetObject")
    assert [statement.label for statement in about.allowing] == ["statement 1", "statement 4"]
    assert [statement.label for statement in about.denying] == ["statement 3"]
    assert about.keys == {"aws:securetransport"}
    assert policy.about("s3:PutObject").keys == frozenset()


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["*", "Deny"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Version", "Statement", "Effect", "Action", "Resource", "Principal", "Condition"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@cases(_json, st.sampled_from(PolicyKind))
def test_any_document_is_a_policy_or_refused(body: Any, kind: PolicyKind) -> None:
    for text in (json.dumps(body), json.dumps({"Version": "2012-10-17", "Statement": body})):
        with suppress(PolicyError):
            assert parse(text, kind=kind).statements


@cases(st.sampled_from(["Action", "Resource", "Condition", "Principal"]), _json)
def test_any_element_is_good_or_refused(element: str, value: Any) -> None:
    with suppress(PolicyError):
        policy = parse(document({**KEY, element: value}), kind=PolicyKind.KEY)
        applies = policy.statements[0].applies("arn:aws:kms:us-east-1:1:key/1", Context())
        assert applies in (True, False)


def test_so_many_actions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_document, "ACTIONS_REMEMBERED_MAX", 2)
    policy = identity(ALLOW)
    first = policy.about("s3:One")
    assert policy.about("s3:One") is first
    for action in ("s3:Two", "s3:Three"):
        policy.about(action)
    again = policy.about("s3:One")
    assert again is not first
    assert again.allowing == first.allowing
