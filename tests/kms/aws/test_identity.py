from dataclasses import replace

from kms.aws.identity import Caller, Credential, Policies, Principal, PrincipalKind

ROOT = Principal(
    PrincipalKind.ROOT, "123456789012", "arn:aws:iam::123456789012:root", "123456789012"
)


def test_repr_of_a_credential_hides_its_secrets() -> None:
    credential = Credential("AKIAEXAMPLE", "the-secret", ROOT, session_token="the-token")
    assert "the-secret" not in repr(credential)
    assert "the-token" not in repr(credential)


def test_a_forwarded_caller_keeps_its_identity() -> None:
    caller = Caller(ROOT, "AKIAEXAMPLE", "us-east-1", "REQUEST")
    forwarded = caller.forwarded_by("s3.us-east-1.amazonaws.com")
    assert (caller.via_service, forwarded.via_service) == (None, "s3.us-east-1.amazonaws.com")
    assert forwarded.account == "123456789012"
    assert forwarded.principal is ROOT


def test_a_principal_is_the_same_under_other_policies() -> None:
    limited = replace(ROOT, policies=Policies(session=()))
    assert limited == ROOT
    assert hash(limited) == hash(ROOT)
    assert (limited.policies.session, ROOT.policies.session) == ((), None)
