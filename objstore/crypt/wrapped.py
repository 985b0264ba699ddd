"""The forms of the manifest's wrapped key: one ciphertext, or two that belong together. Pure.

    SSE-S3, SSE-KMS       the KMS's ciphertext of the data key
    SSE-KMS, bucket key   u16 length ‖ KMS's ciphertext of the bucket key ‖ sealed data key (60)
    DSSE-KMS              u16 length ‖ KMS's ciphertext of the inner data key ‖ S3's of the outer
    SSE-C                 salt (32) ‖ verifier (32) ‖ sealed data key (48)

Specification: docs/format.md.
"""

from objstore.crypt.frames import DATA_KEY_LENGTH, TAG_LENGTH

NONCE_LENGTH = 12
SALT_LENGTH = 32
VERIFIER_LENGTH = 32
SEALED_BY_BUCKET_KEY_LENGTH = NONCE_LENGTH + DATA_KEY_LENGTH + TAG_LENGTH
CUSTOMER_FORM_LENGTH = SALT_LENGTH + VERIFIER_LENGTH + DATA_KEY_LENGTH + TAG_LENGTH
_LENGTH_BYTES = 2


def join(first: bytes, second: bytes) -> bytes:
    """Two ciphertexts as one field. Raises OverflowError if the first is longer than 65,535."""
    return len(first).to_bytes(_LENGTH_BYTES) + first + second


def split(joined: bytes) -> tuple[bytes, bytes]:
    """What `join` joined, neither of them empty. Raises ValueError for anything else."""
    middle = _LENGTH_BYTES + int.from_bytes(joined[:_LENGTH_BYTES])
    if not _LENGTH_BYTES < middle < len(joined):
        raise ValueError("not two ciphertexts")
    return joined[_LENGTH_BYTES:middle], joined[middle:]
