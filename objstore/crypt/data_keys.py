"""Data keys from the KMS: the only place where object encryption and key management meet.

SSE-KMS keys are asked for as the requester, with S3 as the forwarding service (`kms:ViaService`)
and the object's ARN in the encryption context; with bucket keys that is the bucket's, and the KMS
is asked only now and then. SSE-S3 keys are wrapped by a key that S3 owns, which lives in the KMS's
root of trust. DSSE-KMS has one key of each kind. SSE-C keys are wrapped by the customer's. KMS
errors become what S3 shows of them.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from kms.aws.errors import AWSError
from kms.aws.identity import Caller, PrincipalKind
from objstore.crypt import customer_keys
from objstore.crypt.bucket_keys import BucketKeys
from objstore.crypt.customer_keys import (
    KEY_LENGTH,
    NO_CUSTOMER_KEY,
    READING,
    CustomerKeyHeaders,
    Refusals,
)
from objstore.crypt.frames import DATA_KEY_LENGTH, TamperedError, wipe
from objstore.crypt.manifest import BUCKET_KEY, BindingKeys, Mode
from objstore.crypt.sse import Choice, Described, context_for
from objstore.crypt.wrapped import join, split
from objstore.errors import S3Error
from objstore.storage.records import Bucket

if TYPE_CHECKING:
    from kms.client import KMS

OWNER = "s3"
UPLOAD_CONTEXT_KEY = "objstore:upload"
_UNSIGNED = (
    "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature "
    "Version 4."
)
_INSECURE = (
    "Requests specifying Server Side Encryption with Customer provided keys must be made over a "
    "secure connection."
)


class Wrapped(Described, Protocol):
    """Whatever carries a wrapped data key: a manifest or an envelope."""

    @property
    def wrapped_key(self) -> bytes: ...


@dataclass(slots=True)
class Envelope:
    """A data key as it is stored and, until `wipe`, in plaintext (32 bytes; 64 for two layers).

    `kms_key_arn` is "" without KMS. `context` is all of the context that the key is wrapped under,
    `flags` are the manifest's.
    """

    mode: Mode
    kms_key_arn: str
    wrapped_key: bytes
    context: Mapping[str, str]
    plaintext: bytearray | None = field(default=None, repr=False)
    flags: int = 0

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
    """Makes and opens data keys. Belongs to the thread of its KMS.

    `insecure_customer_keys` lets customers' keys come over plain HTTP: for development only.
    """

    __slots__ = ("_bucket_keys", "_insecure_customer_keys", "_kms")

    def __init__(self, kms: "KMS", *, insecure_customer_keys: bool = False) -> None:
        self._kms = kms
        self._bucket_keys = BucketKeys(kms)
        self._insecure_customer_keys = insecure_customer_keys

    def generate(self, caller: Caller, choice: Choice, *, bucket: Bucket, key: str) -> Envelope:
        """A new data key for an object. The caller wipes it after use.

        Raises AccessDenied, InvalidArgument, InvalidRequest, or the KMS's error as `KMS.…`.
        """
        context = context_for(choice, bucket=bucket, key=key)
        mode = choice.mode
        try:
            if mode is Mode.SSE_S3:
                made = self._kms.generate_owned_data_key(owner=OWNER, context=context)
                return Envelope(mode, made.key_arn, made.wrapped, context, made.plaintext)
            if mode is Mode.SSE_C:
                return self._generate_customers(caller, choice, context)
            forwarded = _forwarded(caller, bucket)
            if choice.bucket_key:
                return self._generate_under_bucket_key(
                    forwarded, choice, context, place=_place(bucket, key.encode())
                )
            made = self._kms.generate_data_key(forwarded, key_id=choice.key_id, context=context)
        except AWSError as error:
            raise _as_s3(error) from error
        envelope = Envelope(mode, made.key_arn, made.wrapped, context, made.plaintext)
        return self._doubled(envelope) if mode is Mode.DSSE_KMS else envelope

    def open(
        self,
        caller: Caller,
        envelope: Wrapped,
        *,
        bucket: Bucket,
        key: bytes,
        customer: CustomerKeyHeaders = NO_CUSTOMER_KEY,
        refusals: Refusals = READING,
    ) -> bytearray:
        """The plaintext of the wrapped data key of the object `key`; the caller wipes it.

        Raises AccessDenied, InvalidArgument, the KMS's error as `KMS.…`, one of `refusals` for a
        customer's key, or TamperedError if what is stored is not what was once wrapped under this
        context.
        """
        if envelope.mode is Mode.SSE_C or not (customer is NO_CUSTOMER_KEY or customer.absent):
            return self._open_customers(caller, envelope, customer, refusals)
        try:
            if envelope.mode is Mode.SSE_S3:
                opened = self._open_owned(envelope.wrapped_key, envelope.context)
            elif envelope.flags & BUCKET_KEY:
                opened = self._bucket_keys.open(
                    _forwarded(caller, bucket),
                    envelope.wrapped_key,
                    context=envelope.context,
                    place=_place(bucket, key),
                )
            elif envelope.mode is Mode.DSSE_KMS:
                return self._open_double(_forwarded(caller, bucket), envelope)
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
        return _checked(opened)

    def move(
        self, caller: Caller, envelope: Wrapped, data_key: bytearray, *, bucket: Bucket, key: bytes
    ) -> bytes:
        """The wrapped data key of an object that takes the name `key`; its context stays.

        Only what a bucket key seals belongs to a name. Raises as `generate` does.
        """
        if not envelope.flags & BUCKET_KEY:
            return envelope.wrapped_key
        try:
            wrapped, _ = self._bucket_keys.seal(
                _forwarded(caller, bucket),
                data_key,
                key_id=envelope.kms_key_arn,
                context=envelope.context,
                place=_place(bucket, key),
            )
        except AWSError as error:
            raise _as_s3(error) from error
        return wrapped

    def rewrap(
        self,
        caller: Caller,
        envelope: Wrapped,
        data_key: bytearray,
        choice: Choice,
        *,
        bucket: Bucket,
        key: str,
    ) -> Envelope:
        """The opened data key of `envelope`, wrapped as `choice` (SSE-KMS) says; without plaintext.

        Raises what `generate` raises.
        """
        context = context_for(choice, bucket=bucket, key=key)
        forwarded = _forwarded(caller, bucket)
        try:
            if choice.bucket_key:
                wrapped, key_arn = self._bucket_keys.seal(
                    forwarded,
                    data_key,
                    key_id=choice.key_id,
                    context=context,
                    place=_place(bucket, key.encode()),
                )
                return Envelope(choice.mode, key_arn, wrapped, context, flags=BUCKET_KEY)
            if by_kms_alone(envelope):
                made = self._kms.re_encrypt(
                    forwarded,
                    wrapped=envelope.wrapped_key,
                    context=envelope.context,
                    to_key_id=choice.key_id,
                    to_context=context,
                )
            else:
                made = self._kms.encrypt(
                    forwarded, key_id=choice.key_id, plaintext=data_key, context=context
                )
        except AWSError as error:
            raise _as_s3(error) from error
        return Envelope(choice.mode, made.key_arn, made.wrapped, context)

    def key_arn(self, caller: Caller, key_id: str, *, bucket: Bucket) -> str:
        """The ARN of the KMS key that `key_id` names. Raises the KMS's error as `KMS.…`."""
        try:
            return self._kms.permit(
                _forwarded(caller, bucket), operation="DescribeKey", key_id=key_id, context={}
            )
        except AWSError as error:
            raise _as_s3(error) from error

    def seal_binding(self, keys: BindingKeys, *, upload_id: str) -> bytes:
        """The keys that complete an upload, wrapped by S3's own key for as long as it takes."""
        packed = keys.pack()
        try:
            return self._kms.seal_owned(
                owner=OWNER, plaintext=packed, context={UPLOAD_CONTEXT_KEY: upload_id}
            )
        finally:
            wipe(packed)

    def open_binding(self, sealed: bytes, *, upload_id: str) -> BindingKeys:
        """What `seal_binding` sealed, which the caller wipes. Raises TamperedError."""
        try:
            packed = self._open_owned(sealed, {UPLOAD_CONTEXT_KEY: upload_id})
        except AWSError as error:
            if error.code == "InvalidCiphertextException":
                raise TamperedError("data key") from None
            raise _as_s3(error) from error
        try:
            return BindingKeys.unpack(packed)
        finally:
            wipe(packed)

    def _generate_customers(
        self, caller: Caller, choice: Choice, context: Mapping[str, str]
    ) -> Envelope:
        self._check_secure(caller)
        customer_key = customer_keys.read_key(choice.customer)
        try:
            data_key = self._random_key()
            wrapped = customer_keys.wrap(customer_key, data_key, context)
        finally:
            wipe(customer_key)
        return Envelope(Mode.SSE_C, "", wrapped, context, data_key)

    def _open_customers(
        self,
        caller: Caller,
        envelope: Wrapped,
        customer: CustomerKeyHeaders,
        refusals: Refusals,
    ) -> bytearray:
        if customer.absent:
            raise customer_keys.refuse(refusals.missing)
        self._check_secure(caller)
        customer_key = customer_keys.read_key(customer)
        try:
            if envelope.mode is not Mode.SSE_C:
                raise customer_keys.refuse(refusals.needless)
            if len(customer_key) != KEY_LENGTH:
                raise customer_keys.refuse(refusals.wrong)
            return customer_keys.unwrap(
                customer_key, envelope.wrapped_key, envelope.context, wrong=refusals.wrong
            )
        finally:
            wipe(customer_key)

    def _check_secure(self, caller: Caller) -> None:
        if not caller.secure and not self._insecure_customer_keys:
            raise S3Error("InvalidRequest", _INSECURE)

    def _generate_under_bucket_key(
        self, caller: Caller, choice: Choice, context: Mapping[str, str], *, place: bytes
    ) -> Envelope:
        data_key = self._random_key()
        try:
            wrapped, key_arn = self._bucket_keys.seal(
                caller, data_key, key_id=choice.key_id, context=context, place=place
            )
        except BaseException:
            wipe(data_key)
            raise
        return Envelope(choice.mode, key_arn, wrapped, context, data_key, BUCKET_KEY)

    def _doubled(self, inner: Envelope) -> Envelope:
        """The envelope of two keys: the KMS's inside, S3's own outside. `inner` is wiped."""
        try:
            outer = self._kms.generate_owned_data_key(owner=OWNER, context=inner.context)
            return replace(
                inner,
                wrapped_key=join(inner.wrapped_key, outer.wrapped),
                plaintext=_joined(inner.key, outer.plaintext),
            )
        finally:
            inner.wipe()

    def _open_double(self, caller: Caller, envelope: Wrapped) -> bytearray:
        try:
            wrapped_inner, wrapped_outer = split(envelope.wrapped_key)
        except ValueError:
            raise TamperedError("data key") from None
        inner = _checked(self._kms.decrypt(caller, wrapped=wrapped_inner, context=envelope.context))
        try:
            return _joined(inner, _checked(self._open_owned(wrapped_outer, envelope.context)))
        finally:
            wipe(inner)

    def _open_owned(self, wrapped: bytes, context: Mapping[str, str]) -> bytearray:
        return self._kms.open_owned_data_key(owner=OWNER, wrapped=wrapped, context=context)

    def _random_key(self) -> bytearray:
        data_key = bytearray(DATA_KEY_LENGTH)
        self._kms.fill_random(data_key)
        return data_key


def by_kms_alone(envelope: Described) -> bool:
    """Whether a customer's KMS key itself wraps the data key, and nothing else does."""
    return envelope.mode is Mode.SSE_KMS and not envelope.flags & BUCKET_KEY


def _joined(inner: bytearray, outer: bytearray) -> bytearray:
    """Both keys as the one that a DSSE object is sealed with; the outer one is wiped."""
    both = bytearray(len(inner) + len(outer))
    both[: len(inner)] = inner
    both[len(inner) :] = outer
    wipe(outer)
    return both


def _checked(data_key: bytearray) -> bytearray:
    if len(data_key) != DATA_KEY_LENGTH:
        wipe(data_key)
        raise TamperedError("data key")
    return data_key


def _place(bucket: Bucket, key: bytes) -> bytes:
    """The object that a data key under a bucket key belongs to; the bucket id's length is fixed."""
    return bucket.bucket_id + key


def _forwarded(caller: Caller, bucket: Bucket) -> Caller:
    """The requester, its request carried on by S3 in the bucket's region."""
    if caller.principal.kind is PrincipalKind.ANONYMOUS or not caller.region:
        # Signature Version 2, which names no region, does not do either.
        raise S3Error("InvalidArgument", _UNSIGNED, ArgumentName="Authorization")
    return caller.forwarded_by(f"s3.{bucket.region}.amazonaws.com", region=bucket.region)


def _as_s3(error: AWSError) -> AWSError:
    if isinstance(error, S3Error):
        return error
    if error.code == "AccessDeniedException":
        return S3Error("AccessDenied", error.message)
    return AWSError(f"KMS.{error.code}", error.message, status=503 if error.status >= 500 else 400)
