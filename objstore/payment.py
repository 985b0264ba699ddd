"""Requester pays: who is charged for a request to a bucket, and who must say so first.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html
"""

from objstore.condition_keys import Asked
from objstore.errors import S3Error

SETTING = "request_payment"
HEADER = "x-amz-request-payer"
REQUESTER = "requester"
CHARGED = (b"x-amz-request-charged", b"requester")


def is_charged(asked: Asked) -> bool:
    """Whether the requester pays. Raises AccessDenied for who has not agreed to.

    The bucket's own account pays for itself anyway; nobody in particular cannot pay.
    """
    bucket = asked.bucket
    if bucket is None or SETTING not in bucket.settings:
        return False
    if bucket.settings[SETTING].get("Payer") != "Requester":
        return False
    if asked.caller.account == bucket.account:
        return False
    agreed = asked.facts.headers.get(HEADER, "").lower() == REQUESTER
    if not agreed or not asked.caller.access_key_id:
        raise S3Error("AccessDenied")
    return True
