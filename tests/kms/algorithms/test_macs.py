from typing import Any

import pytest

from kms.algorithms.macs import generate, verify
from kms.errors import KMSError

# RFC 4231 §4: key, message, and the MACs with SHA-224, SHA-256, SHA-384 and SHA-512.
RFC_4231 = [
    (
        "0b" * 20,
        b"Hi There".hex(),
        "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
        "faea9ea9076ede7f4af152e8b2fa9cb6",
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
        "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
    ),
    (
        b"Jefe".hex(),
        b"what do ya want for nothing?".hex(),
        "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
        "8e2240ca5e69e2c78b3239ecfab21649",
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
        "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ),
    (
        "aa" * 20,
        "dd" * 50,
        "7fb3cb3588c6c1f6ffa9694d7d6ad2649365b0c1f65d69d1ec8333ea",
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b"
        "2a5ab39dc13814b94e3ab6e101a34f27",
        "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
        "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb",
    ),
    (
        "aa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First".hex(),
        "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6"
        "0c2ef6ab4030fe8296248df163f44952",
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
        "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
    ),
]


@pytest.mark.parametrize(("key", "message", "m224", "m256", "m384", "m512"), RFC_4231)
def test_rfc_4231(key: str, message: str, m224: str, m256: str, m384: str, m512: str) -> None:
    for bits, mac in ((224, m224), (256, m256), (384, m384), (512, m512)):
        made = generate(bytes.fromhex(key), f"HMAC_SHA_{bits}", bytes.fromhex(message))
        assert made.hex() == mac


def test_vectors(case: dict[str, Any]) -> None:
    key, message, mac = (bytes.fromhex(case[name]) for name in ("key", "message", "mac"))
    if case["outcome"] == "valid":
        verify(key, case["algorithm"], mac, message)
    else:
        with pytest.raises(KMSError) as caught:
            verify(key, case["algorithm"], mac, message)
        assert (caught.value.code, caught.value.message) == ("KMSInvalidMacException", "")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_mac_of_another_length_is_wrong(length: int) -> None:
    mac = generate(b"k" * 32, "HMAC_SHA_256", b"m") + b"x"
    with pytest.raises(KMSError):
        verify(b"k" * 32, "HMAC_SHA_256", mac[:length], b"m")
