"""The narrow interface to a KMS in the same process; nothing else of `kms` is for other packages.

Calls go through the same service as HTTP requests: bytes are skipped, not authorization or audit.
Plaintext keys are `bytearray`s that the caller wipes.
"""

import asyncio
import hmac
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from kms import ciphertext, plant, policy_text, wire
from kms.algorithms.keys import SLOW_SPECS, make_ahead
from kms.aws.audit import AuditSink, NullSink
from kms.aws.clock import Clock
from kms.aws.errors import AWSError
from kms.aws.identity import Caller, Identities
from kms.aws.policy import Decision
from kms.errors import KMSError
from kms.key import Key
from kms.process import harden
from kms.root import RootError, RootSettings, sealer_of
from kms.service import Service, handler_of
from kms.store import Store
from kms.store_connection import FILE_NAME, StoreError
from kms.store_root import change_sealer, rotate_domain_key

__all__ = [
    "KMS",
    "DataKey",
    "KMSError",
    "RootError",
    "RootSettings",
    "StoreError",
    "change_root",
    "harden",
    "has_store",
    "open_kms",
    "rotate_root",
]

TARGET_PREFIX = "TrentService."
DATA_KEY_BYTES = 32
MAKES_KEYS = frozenset(
    {
        "CreateKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GetParametersForImport",
    }
)
_SLOW_SPEC = re.compile(rb'"\w*Spec"\s*:\s*"(%s)"' % "|".join(SLOW_SPECS).encode())


@dataclass(slots=True)
class DataKey:
    """An AES-256 data key and its wrapped form. `key_arn` is empty for a service's own key."""

    plaintext: bytearray = field(repr=False)
    wrapped: bytes
    key_arn: str
    key_material_id: str


@dataclass(frozen=True, slots=True)
class Wrapped:
    """What a KMS key has encrypted."""

    wrapped: bytes
    key_arn: str


class KMS:
    """A key management service in this process. Belongs to the thread that opened it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._store = service.store
        self._maker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kms-keys")

    def generate_data_key(
        self, caller: Caller, *, key_id: str, context: Mapping[str, str]
    ) -> DataKey:
        """GenerateDataKey(AES_256) as `caller`. `key_id`: id, ARN, alias or alias ARN."""
        output = self._service.call(
            "GenerateDataKey",
            {"key_id": key_id, "encryption_context": context, "key_spec": "AES_256"},
            caller,
        )
        return DataKey(
            output["Plaintext"],
            output["CiphertextBlob"],
            output["KeyId"],
            output["KeyMaterialId"],
        )

    def decrypt(
        self,
        caller: Caller,
        *,
        wrapped: bytes,
        context: Mapping[str, str],
        key_id: str | None = None,
    ) -> bytearray:
        """Decrypt as `caller`; `key_id` pins the key that must have wrapped."""
        arguments = {
            "ciphertext_blob": wrapped,
            "encryption_context": context,
            "key_id": key_id,
        }
        plaintext: bytearray = self._service.call("Decrypt", arguments, caller)["Plaintext"]
        return plaintext

    def open_data_key(
        self, caller: Caller, *, wrapped: bytes, context: Mapping[str, str]
    ) -> DataKey:
        """Decrypt as `caller`, and the key that had wrapped."""
        arguments = {"ciphertext_blob": wrapped, "encryption_context": context}
        output = self._service.call("Decrypt", arguments, caller)
        return DataKey(output["Plaintext"], wrapped, output["KeyId"], output["KeyMaterialId"])

    def encrypt(
        self, caller: Caller, *, key_id: str, plaintext: bytearray, context: Mapping[str, str]
    ) -> Wrapped:
        """Encrypt as `caller`."""
        arguments = {"key_id": key_id, "plaintext": plaintext, "encryption_context": context}
        output = self._service.call("Encrypt", arguments, caller)
        return Wrapped(output["CiphertextBlob"], output["KeyId"])

    def re_encrypt(
        self,
        caller: Caller,
        *,
        wrapped: bytes,
        context: Mapping[str, str],
        to_key_id: str,
        to_context: Mapping[str, str],
    ) -> Wrapped:
        """ReEncrypt as `caller`."""
        arguments = {
            "ciphertext_blob": wrapped,
            "source_encryption_context": context,
            "destination_key_id": to_key_id,
            "destination_encryption_context": to_context,
        }
        output = self._service.call("ReEncrypt", arguments, caller)
        return Wrapped(output["CiphertextBlob"], output["KeyId"])

    def permit(
        self, caller: Caller, *, operation: str, key_id: str, context: Mapping[str, str]
    ) -> str:
        """The ARN of the key, if `caller` may run `operation` with it now; nothing is recorded.

        For services that keep what a key has wrapped: raises what the operation would raise.
        """
        return self._service.permit(operation, caller, key_id=key_id, context=context)

    def explain(
        self, caller: Caller, *, action: str, key_id: str, context: Mapping[str, str]
    ) -> Decision:
        """What decides whether `caller` may do `action` ("Decrypt") to a key; nothing happens.

        For operators: it tells more than callers may know. Raises NotFoundException.
        """
        return self._service.explain(action, caller, key_id=key_id, context=context)

    def fill_random(self, buffer: bytearray) -> None:
        """Fill `buffer` with random bytes, leaving no copy elsewhere."""
        self._store.fill_random(buffer)

    def seal_owned(self, *, owner: str, plaintext: bytearray, context: Mapping[str, str]) -> bytes:
        """A small secret under the key that the service `owner` owns; see the next methods."""
        self._store.refresh()
        material_id, material = self._store.owned(owner, self._service.clock.now())
        return ciphertext.seal(
            material,
            material_id=bytes.fromhex(material_id),
            kind=ciphertext.KIND_ENCRYPT,
            plaintext=plaintext,
            context=ciphertext.canonical(context),
        )

    def generate_owned_data_key(self, *, owner: str, context: Mapping[str, str]) -> DataKey:
        """A data key under the key that the service `owner` owns, which no API call can reach."""
        self._store.refresh()
        material_id, material = self._store.owned(owner, self._service.clock.now())
        plaintext = bytearray(DATA_KEY_BYTES)
        self._store.fill_random(plaintext)
        wrapped = ciphertext.seal(
            material,
            material_id=bytes.fromhex(material_id),
            kind=ciphertext.KIND_DATA_KEY,
            plaintext=plaintext,
            context=ciphertext.canonical(context),
        )
        return DataKey(plaintext, wrapped, "", material_id)

    def open_owned_data_key(
        self, *, owner: str, wrapped: bytes, context: Mapping[str, str]
    ) -> bytearray:
        """What `generate_owned_data_key` or `seal_owned` made.

        Raises InvalidCiphertextException.
        """
        self._store.refresh()
        material_id, material = self._store.owned(owner, self._service.clock.now())
        blob = ciphertext.parse(wrapped)
        if not hmac.compare_digest(blob.material_id.hex(), material_id):
            raise KMSError("InvalidCiphertextException")
        return ciphertext.unseal(material, blob, ciphertext.canonical(context))

    def seal_secret(self, name: str, secret: bytes) -> bytes:
        """A small secret sealed by the root of trust, for the owner to store under `name`.

        This and `open_secret` may be called by any thread.
        """
        return self._store.seal(name, secret)

    def open_secret(self, name: str, sealed: bytes) -> bytearray:
        """Raises RootError if `sealed` was altered or sealed under another name."""
        return self._store.open_sealed(name, sealed)

    def remember(self, name: str, value: bytes) -> bytes:
        """Store a small setting, sealed secrets among them, unless it exists; the stored one."""
        return self._store.add_setting(name, value)

    def recall(self, name: str) -> bytes | None:
        return self._store.setting(name)

    def plant_key(
        self,
        *,
        account: str,
        region: str,
        key_id: str,
        aliases: Sequence[str],
        description: str,
        material: bytes | None,
    ) -> bool:
        """Make a key with a given id, and material if given, unless it exists; whether it did.

        For seeds only: it asks nobody's permission. Raises ValidationException for an alias that
        is not `alias/…` or is taken.
        """
        return plant.plant_key(
            self._store,
            Key(
                account,
                region,
                key_id,
                self._service.clock.now(),
                "",
                policy_text.default_policy(account),
                description=description,
            ),
            aliases=aliases,
            material=material,
        )

    def reset(self) -> None:
        """Forget all keys and aliases. The root of trust and services' own keys stay."""
        self._store.clear()

    async def prepare(self, target: str, body: bytes) -> None:
        """Make, in another thread, the RSA key that a request needs, if it needs one.

        That takes up to seconds, which `handle` would hold up the loop for. Call it when the
        request is authentic, and `handle` then.
        """
        if target.removeprefix(TARGET_PREFIX) in MAKES_KEYS:
            wanted = _SLOW_SPEC.search(body)
            if wanted is not None:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._maker, make_ahead, wanted[1].decode())

    def handle(self, target: str, body: bytes, caller: Caller) -> tuple[int, bytes | bytearray]:
        """Answer an authenticated JSON 1.1 request: the status and the body.

        `target` is the value of X-Amz-Target, with its prefix. A body with a secret wipes itself
        when nobody holds it any more, so send it as it is, without a copy.
        """
        operation = target.removeprefix(TARGET_PREFIX)
        try:
            if operation == target:
                raise KMSError("UnknownOperationException")
            handler_of(operation)
            arguments = wire.BINDERS[operation](body)
        except AWSError as error:
            self._service.refuse(operation, caller, error)
            return error.status, wire.render_error(error)
        try:
            output = self._service.call(operation, arguments, caller)
        except AWSError as error:
            return error.status, wire.render_error(error)
        return 200, wire.render(output)

    def sweep(self) -> int:
        """Do to keys what is due by the clock; answers how many steps that took."""
        self._store.refresh()
        return self._service.schedule.run(self._service.clock.now())

    @property
    def owes_erasure(self) -> bool:
        """Whether the disk may still have copies of key material that was destroyed."""
        return self._store.owes_erasure

    def erase(self) -> bool:
        """Take those copies off the disk; False if that must be tried again. In any thread."""
        return self._store.erase()

    def write_uses(self) -> None:
        """Write the uses of keys that are still in memory; call it about once a second."""
        self._store.usage.flush()

    def close(self) -> None:
        self._maker.shutdown(wait=False, cancel_futures=True)
        self._store.close()


def open_kms(
    folder: Path,
    *,
    clock: Clock,
    root: RootSettings,
    audit: AuditSink | None = None,
    identities: Identities | None = None,
) -> KMS:
    """Open the KMS of a data folder, making it if there is none.

    `identities` says which users and roles exist; without it, any ARN that looks like one's does.

    Raises RootError if the root of trust is missing or wrong, StoreError if the store is unusable.
    """
    store = Store.open(folder, sealer_of(root, folder))
    return KMS(Service(store, clock=clock, audit=audit or NullSink(), identities=identities))


def has_store(folder: Path) -> bool:
    """Whether `folder` has a key store, so that `open_kms` would not make one."""
    return (folder / FILE_NAME).exists()


def change_root(folder: Path, *, old: RootSettings, new: RootSettings) -> int:
    """Seal the domain keys of a data folder by another root of trust; answers how many there are.

    No data is touched. Raises RootError and StoreError, and then nothing is changed.
    """
    return change_sealer(folder, sealer_of(old, folder), sealer_of(new, folder))


def rotate_root(folder: Path, *, root: RootSettings) -> int:
    """Wrap everything in the key store of a data folder under a new domain key.

    Answers the number of that domain key. Raises RootError and StoreError, and then nothing is
    changed. Servers that are running open the new key by themselves.
    """
    return rotate_domain_key(folder, sealer_of(root, folder))
