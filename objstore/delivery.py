"""Objects that S3's own services write into buckets, which must let them."""

from kms.aws.arn import s3_bucket
from kms.aws.identity import Caller, Principal, PrincipalKind
from objstore.protocol import new_request_id
from objstore.storage.records import Bucket


def service_caller(service: str, source: Bucket, target: Bucket) -> Caller:
    """The service as policies see it when it writes to `target` what it has of `source`."""
    principal = Principal(PrincipalKind.SERVICE, target.account, service, service, service)
    return Caller(
        principal,
        "",
        target.region,
        new_request_id(),
        secure=True,
        source_arn=s3_bucket(source.name),
        source_account=source.account,
    )
