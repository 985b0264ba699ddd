import pytest

from kms.aws import arn


def test_parse_and_print_are_inverse() -> None:
    text = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
    parsed = arn.ARN.parse(text)
    assert (parsed.service, parsed.region, parsed.account) == ("kms", "us-east-1", "123456789012")
    assert str(parsed) == text


def test_resource_keeps_its_colons() -> None:
    assert arn.ARN.parse("arn:aws:s3:::bucket/a:b").resource == "bucket/a:b"


@pytest.mark.parametrize(
    "text", ["", "arn", "arn:aws:s3::", "urn:aws:s3:::b", "arn:aws:s3:::", "arn::s3:::b"]
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="not an ARN"):
        arn.ARN.parse(text)


def test_makers() -> None:
    assert arn.kms_key("eu-west-1", "1", "k") == "arn:aws:kms:eu-west-1:1:key/k"
    assert arn.kms_alias("eu-west-1", "1", "alias/a") == "arn:aws:kms:eu-west-1:1:alias/a"
    assert arn.s3_bucket("b") == "arn:aws:s3:::b"
    assert arn.s3_object("b", "k/1") == "arn:aws:s3:::b/k/1"
    assert arn.account_root("1") == "arn:aws:iam::1:root"
    assert arn.iam_user("1", "bob", "/staff/") == "arn:aws:iam::1:user/staff/bob"
