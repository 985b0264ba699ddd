"""Every error code that IAM and STS raise, with its status.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html and the operations'
own lists.
"""

from kms.aws.errors import AWSError

STATUSES: dict[str, int] = {
    "AccessDenied": 403,
    "DeleteConflict": 409,
    "EntityAlreadyExists": 409,
    "ExpiredTokenException": 400,
    "IDPCommunicationError": 400,
    "IDPRejectedClaim": 403,
    "InvalidAuthorizationMessageException": 400,
    "InvalidClientTokenId": 403,
    "InvalidIdentityToken": 400,
    "InvalidInput": 400,
    "InvalidParameterValue": 400,
    "LimitExceeded": 409,
    "MalformedPolicyDocument": 400,
    "NoSuchEntity": 404,
    "NotImplemented": 501,
    "PackedPolicyTooLarge": 400,
    "UnmodifiableEntity": 400,
    "ValidationError": 400,
}


class IAMError(AWSError):
    """An error of the table. Raises KeyError for another code, so codes cannot be misspelt."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, status=STATUSES[code])
