"""Every error code that the KMS raises, with its HTTP status.

Client errors are 400, including AccessDeniedException and NotFoundException; the 5xx class is what
the API reference lists. The empty messages are AWS's: InvalidCiphertextException and
InvalidMarkerException come without text.

Source: https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html
"""

from kms.aws.errors import AWSError

__all__ = ["CATALOGUE", "KMSError"]

CATALOGUE: dict[str, int] = {
    "AccessDeniedException": 400,
    "AlreadyExistsException": 400,
    "ConflictException": 400,
    "CustomKeyStoreNotFoundException": 400,
    "DisabledException": 400,
    "DryRunOperationException": 400,
    "ExpiredImportTokenException": 400,
    "IncorrectKeyException": 400,
    "IncorrectKeyMaterialException": 400,
    "InvalidAliasNameException": 400,
    "InvalidArnException": 400,
    "InvalidCiphertextException": 400,
    "InvalidGrantIdException": 400,
    "InvalidGrantTokenException": 400,
    "InvalidImportTokenException": 400,
    "InvalidKeyUsageException": 400,
    "InvalidMarkerException": 400,
    "KMSInternalException": 500,
    "KMSInvalidMacException": 400,
    "KMSInvalidSignatureException": 400,
    "KMSInvalidStateException": 400,
    "LimitExceededException": 400,
    "MalformedPolicyDocumentException": 400,
    "NotFoundException": 400,
    "SerializationException": 400,
    "TagException": 400,
    "UnknownOperationException": 400,
    "UnsupportedOperationException": 400,
    "ValidationException": 400,
}


class KMSError(AWSError):
    """An error of the catalogue. Raises KeyError for a code that the catalogue does not have."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code, message, status=CATALOGUE[code])
