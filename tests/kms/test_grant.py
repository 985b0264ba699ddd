from collections.abc import Mapping
from dataclasses import replace

import pytest

from kms.grant import Grant, Pairs, operations_for
from kms.key import Key

KEY = Key("111122223333", "us-east-1", "k", 0.0, "ab", "{}")
GRANT = Grant(
    "ab" * 32,
    "111122223333",
    "us-east-1",
    "k",
    0.0,
    "111122223333",
    "",
    "AIDABOB",
    "",
    ("Decrypt", "DescribeKey", "CreateGrant", "RetireGrant"),
)
PAIR: Pairs = (("Department", "IT"),)
TWO: Pairs = (("Department", "IT"), ("level", "1"))


@pytest.mark.parametrize(
    ("grant", "action", "context", "expected"),
    [
        (GRANT, "Decrypt", {}, True),
        (GRANT, "Encrypt", {}, False),
        (GRANT, "Decrypt", {"any": "thing"}, True),
        (replace(GRANT, equals=PAIR), "Decrypt", {"Department": "IT"}, True),
        (replace(GRANT, equals=PAIR), "Decrypt", {"department": "IT"}, True),
        (replace(GRANT, equals=PAIR), "Decrypt", {"Department": "it"}, False),
        (replace(GRANT, equals=PAIR), "Decrypt", dict(TWO), False),
        (replace(GRANT, equals=PAIR), "Decrypt", {"A": "IT", "Department": "IT"}, False),
        (
            replace(GRANT, equals=PAIR),
            "Decrypt",
            {"department": "IT", "DEPARTMENT": "IT"},
            False,
        ),
        (replace(GRANT, equals=PAIR), "Decrypt", {}, False),
        (replace(GRANT, equals=()), "Decrypt", {}, True),
        (replace(GRANT, equals=()), "Decrypt", {"a": "b"}, False),
        (replace(GRANT, subset=PAIR), "Decrypt", dict(TWO), True),
        (replace(GRANT, subset=PAIR), "Decrypt", {"DEPARTMENT": "IT", "x": "y"}, True),
        (replace(GRANT, subset=PAIR), "Decrypt", {"Department": "HR"}, False),
        (replace(GRANT, subset=PAIR), "Decrypt", None, False),
        (replace(GRANT, subset=PAIR), "Decrypt", {**dict(TWO), "DEPARTMENT": "HR"}, False),
        (replace(GRANT, equals=PAIR), "DescribeKey", None, True),
        (replace(GRANT, subset=PAIR), "RetireGrant", None, True),
    ],
)
def test_what_a_grant_permits(
    grant: Grant, action: str, context: Mapping[str, str] | None, expected: bool
) -> None:
    assert grant.permits(action, context, "") is expected


@pytest.mark.parametrize(
    ("action", "source_arn", "expected"),
    [
        ("Decrypt", "arn:aws:s3:::b", True),
        ("Decrypt", "arn:aws:s3:::c", False),
        ("Decrypt", "", False),
        ("DescribeKey", "", False),
        ("RetireGrant", "", True),
    ],
)
def test_on_behalf_of_one_resource(action: str, source_arn: str, expected: bool) -> None:
    grant = replace(GRANT, source_arn="arn:aws:s3:::b")
    assert grant.permits(action, {}, source_arn) is expected


@pytest.mark.parametrize(
    ("grant", "operations", "equals", "subset", "expected"),
    [
        (GRANT, ("Decrypt",), None, None, True),
        (GRANT, ("Decrypt", "CreateGrant"), None, PAIR, True),
        (GRANT, ("Encrypt",), None, None, False),
        (GRANT, ("Decrypt", "Encrypt"), None, None, False),
        (replace(GRANT, operations=("Decrypt",)), ("Decrypt",), None, None, False),
        (replace(GRANT, subset=PAIR), ("Decrypt",), None, None, False),
        (replace(GRANT, subset=PAIR), ("Decrypt",), None, PAIR, True),
        (replace(GRANT, subset=PAIR), ("Decrypt",), None, TWO, True),
        (replace(GRANT, subset=PAIR), ("Decrypt",), TWO, None, True),
        (replace(GRANT, subset=TWO), ("Decrypt",), None, PAIR, False),
        (replace(GRANT, equals=PAIR), ("Decrypt",), PAIR, None, True),
        (replace(GRANT, equals=PAIR), ("Decrypt",), TWO, None, False),
        (replace(GRANT, equals=PAIR), ("Decrypt",), None, PAIR, False),
        (replace(GRANT, equals=PAIR), ("Decrypt",), None, None, False),
    ],
)
def test_a_grant_made_by_a_grant_is_no_wider(
    grant: Grant,
    operations: tuple[str, ...],
    equals: Pairs | None,
    subset: Pairs | None,
    expected: bool,
) -> None:
    assert grant.permits_granting(operations, equals, subset, "") is expected


@pytest.mark.parametrize(
    ("source_arn", "expected"),
    [("arn:aws:s3:::b", True), ("arn:aws:s3:::c", False), ("", False)],
)
def test_a_grant_made_by_a_grant_is_for_the_same_resource(source_arn: str, expected: bool) -> None:
    grant = replace(GRANT, source_arn="arn:aws:s3:::b")
    assert grant.permits_granting(("Decrypt",), None, None, source_arn) is expected
    assert GRANT.permits_granting(("Decrypt",), None, None, source_arn)


def test_grants_that_say_the_same() -> None:
    again = replace(GRANT, grant_id="cd" * 32, created_at=1.0, operations=GRANT.operations[::-1])
    assert GRANT.same_as(again)
    for change in ({"grantee": "AIDAEVE"}, {"retiree": "AIDAEVE"}, {"equals": PAIR}):
        assert not GRANT.same_as(replace(GRANT, **change))


@pytest.mark.parametrize(
    ("spec", "usage", "possible", "impossible"),
    [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "GenerateDataKeyPair", "Sign"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "ReEncryptFrom", "GetPublicKey"),
        ("RSA_2048", "ENCRYPT_DECRYPT", "Decrypt", "GenerateDataKey"),
        ("RSA_2048", "SIGN_VERIFY", "GetPublicKey", "Encrypt"),
        ("HMAC_256", "GENERATE_VERIFY_MAC", "VerifyMac", "GetPublicKey"),
        ("ECC_NIST_P256", "KEY_AGREEMENT", "DeriveSharedSecret", "Sign"),
        ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE", "Decapsulate", "Decrypt"),
    ],
)
def test_operations_fit_the_key(spec: str, usage: str, possible: str, impossible: str) -> None:
    operations = operations_for(replace(KEY, spec=spec, usage=usage))
    assert {possible, "CreateGrant", "DescribeKey", "RetireGrant"} <= set(operations)
    assert impossible not in operations
