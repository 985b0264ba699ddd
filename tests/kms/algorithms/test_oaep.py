from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from kms.algorithms.keys import generate_private, open_private
from kms.algorithms.oaep import PADDINGS, decrypt, encrypt, plaintext_bytes_max
from kms.errors import KMSError

# https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html
ROOM = [
    ("RSA_2048", "RSAES_OAEP_SHA_1", 214),
    ("RSA_2048", "RSAES_OAEP_SHA_256", 190),
    ("RSA_3072", "RSAES_OAEP_SHA_1", 342),
    ("RSA_3072", "RSAES_OAEP_SHA_256", 318),
    ("RSA_4096", "RSAES_OAEP_SHA_1", 470),
    ("RSA_4096", "RSAES_OAEP_SHA_256", 446),
]


def test_vectors(case: dict[str, Any]) -> None:
    key = open_private(bytes.fromhex(case["private"]))
    assert isinstance(key, RSAPrivateKey)
    ciphertext = bytes.fromhex(case["ciphertext"])
    if case["outcome"] == "valid":
        assert decrypt(key, case["algorithm"], ciphertext).hex() == case["plaintext"]
    else:
        with pytest.raises(KMSError) as caught:
            decrypt(key, case["algorithm"], ciphertext)
        assert (caught.value.code, caught.value.message) == ("InvalidCiphertextException", "")


@pytest.mark.parametrize(("spec", "algorithm", "room"), ROOM)
def test_the_room_for_a_plaintext(spec: str, algorithm: str, room: int) -> None:
    key = generate_private(spec)
    assert isinstance(key, RSAPrivateKey)
    public = key.public_key()
    assert plaintext_bytes_max(public, algorithm) == room
    plaintext = bytes(range(256)) * 2
    ciphertext = encrypt(public, algorithm, plaintext[:room])
    assert decrypt(key, algorithm, ciphertext) == plaintext[:room]
    assert encrypt(public, algorithm, plaintext[:room]) != ciphertext
    with pytest.raises(KMSError) as caught:
        encrypt(public, algorithm, plaintext[: room + 1])
    assert caught.value.message == (
        f"Algorithm {algorithm} and key spec {spec} cannot encrypt data larger than {room} bytes."
    )
    other = next(name for name in PADDINGS if name != algorithm)
    for wrong, name in ((ciphertext, other), (ciphertext[1:], algorithm), (b"", algorithm)):
        with pytest.raises(KMSError, match="InvalidCiphertextException"):
            decrypt(key, name, wrong)
