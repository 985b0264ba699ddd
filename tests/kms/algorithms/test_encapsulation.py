from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM1024PrivateKey,
)

from kms.algorithms.encapsulation import decapsulate, encapsulate
from kms.algorithms.keys import MLKEMPrivateKey, generate_private
from kms.errors import KMSError

CIPHERTEXT_BYTES = {"ML_KEM_768": 1_088, "ML_KEM_1024": 1_568}


def of_seed(spec: str, seed: bytes) -> MLKEMPrivateKey:
    if spec == "ML_KEM_768":
        return MLKEM768PrivateKey.from_seed_bytes(seed)
    return MLKEM1024PrivateKey.from_seed_bytes(seed)


def test_vectors(case: dict[str, Any]) -> None:
    key = of_seed(case["spec"], bytes.fromhex(case["seed"]))
    ciphertext = bytes.fromhex(case["ciphertext"])
    if case["outcome"] == "valid":
        assert decapsulate(key, ciphertext).hex() == case["secret"]
    else:
        with pytest.raises(KMSError, match="InvalidCiphertextException"):
            decapsulate(key, ciphertext)


@pytest.mark.parametrize("spec", sorted(CIPHERTEXT_BYTES))
def test_an_altered_ciphertext_is_rejected_implicitly(spec: str) -> None:
    key: Any = generate_private(spec)
    secret, ciphertext = encapsulate(key)
    assert (len(secret), len(ciphertext)) == (32, CIPHERTEXT_BYTES[spec])
    assert decapsulate(key, ciphertext) == secret
    altered = bytes((ciphertext[0] ^ 1,)) + ciphertext[1:]
    assert decapsulate(key, altered) not in (secret, bytes(32))
    assert decapsulate(key, altered) == decapsulate(key, altered)
    for wrong in (b"", ciphertext[:-1], ciphertext + b"\0"):
        with pytest.raises(KMSError) as caught:
            decapsulate(key, wrong)
        assert (caught.value.code, caught.value.message) == ("InvalidCiphertextException", "")
