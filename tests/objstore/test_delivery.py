from kms.aws.identity import PrincipalKind
from objstore.delivery import service_caller
from objstore.storage.records import Bucket


def test_a_service_writes_for_a_bucket_in_another() -> None:
    source = Bucket("source", b"s" * 16, "111122223333", "us-east-1", 0)
    target = Bucket("target", b"t" * 16, "444455556666", "eu-west-1", 0)
    caller = service_caller("s3.amazonaws.com", source, target)
    assert caller.principal.kind is PrincipalKind.SERVICE
    assert caller.principal.arn == "s3.amazonaws.com"
    assert caller.region == "eu-west-1"
    assert caller.source_arn == "arn:aws:s3:::source"
    assert caller.source_account == "111122223333"
