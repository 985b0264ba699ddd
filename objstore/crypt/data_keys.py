"""Data keys from the KMS: the only place where object encryption and key management meet.

SSE-KMS keys are asked for as the requester, with S3 as the forwarding service (`kms:ViaService`)
and the object's ARN in the encryption context. SSE-S3 keys are wrapped by a key that S3 owns,
which lives in the KMS's root of trust. KMS errors become what S3 shows of them.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from kms.aws.errors import AWSError
from kms.aws.identity import Caller, PrincipalKind
from objstore.crypt.frames import DATA_KEY_LENGTH, TamperedError, wipe
from objstore.crypt.manifest import Mode
from objstore.crypt.sse import Choice, Described, context_for
from objstore.errors import S3Error
from objstore.storage.records import Bucket

if TYPE_CHECKING:
    from kms.client import KMS

OWNER = "s3"
_UNSIGNED = (
    "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature "
    "Version 4."
)


class Wrapped(Described, Protocol):
    """Whatever carries a wrapped data key: a manifest or an envelope."""

    @property
    def wrapped_key(self) -> bytes: ...


@dataclass(slots=True)
class Envelope:
    """A data key as it is stored and, until `wipe`, in plaintext (32 bytes).

    `kms_key_arn` is "" for SSE-S3. `context` is all of the context that the key is wrapped under.
    """

    mode: Mode
    kms_key_arn: str
    wrapped_key: bytes
    context: Mapping[str, str]
    plaintext: bytearray | None = field(default=None, repr=False)

    @property
    def key(self) -> bytearray:
        """The plaintext. Raises ValueError once it is wiped."""
        if self.plaintext is None:
            raise ValueError("the data key is wiped")
        return self.plaintext

    def wipe(self) -> None:
        """Overwrite the plaintext with zeros and forget it; harmless when repeated."""
        if self.plaintext is not None:
            wipe(self.plaintext)
            self.plaintext = None


class DataKeys:
    """Makes and opens data keys."""

    __slots__ = ("_kms",)

    def __init__(self, kms: "KMS") -> None:
        self._kms = kms

    def generate(self, caller: Caller, choice: Choice, *, bucket: Bucket, key: str) -> Envelope:
        """A new data key for an object. The caller wipes it after use.

        Raises AccessDenied, InvalidArgument, or the KMS's error as `KMS.…`.
        """
        context = context_for(choice, bucket=bucket, key=key)
        try:
            if choice.mode is Mode.SSE_S3:
                made = self._kms.generate_owned_data_key(owner=OWNER, context=context)
            else:
                made = self._kms.generate_data_key(
                    _forwarded(caller, bucket), key_id=choice.key_id, context=context
                )
        except AWSError as error:
            raise _as_s3(error) from error
        return Envelope(choice.mode, made.key_arn, made.wrapped, context, made.plaintext)

    def open(self, caller: Caller, envelope: Wrapped, *, bucket: Bucket) -> bytearray:
        """The plaintext of a wrapped data key, which the caller wipes after use.

        Raises AccessDenied, InvalidArgument, the KMS's error as `KMS.…`, or TamperedError if what
        is stored is not what the KMS once wrapped under this context.
        """
        try:
            if envelope.mode is Mode.SSE_S3:
                opened = self._kms.open_owned_data_key(
                    owner=OWNER, wrapped=envelope.wrapped_key, context=envelope.context
                )
            else:
                opened = self._kms.decrypt(
                    _forwarded(caller, bucket),
                    wrapped=envelope.wrapped_key,
                    context=envelope.context,
                )
        except AWSError as error:
            if error.code == "InvalidCiphertextException":
                raise TamperedError("data key") from None
            raise _as_s3(error) from error
        if len(opened) != DATA_KEY_LENGTH:
            wipe(opened)
            raise TamperedError("data key")
        return opened


def _forwarded(caller: Caller, bucket: Bucket) -> Caller:
    """The requester, its request carried on by S3 in the bucket's region."""
    if caller.principal.kind is PrincipalKind.ANONYMOUS:
        raise S3Error("InvalidArgument", _UNSIGNED, ArgumentName="Authorization")
    return replace(caller, region=bucket.region, via_service=f"s3.{bucket.region}.amazonaws.com")


def _as_s3(error: AWSError) -> AWSError:
    if isinstance(error, S3Error):
        return error
    if error.code == "AccessDeniedException":
        return S3Error("AccessDenied", error.message)
    return AWSError(f"KMS.{error.code}", error.message, status=503 if error.status >= 500 else 400)
