import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kms.algorithms.keys import (
    _AHEAD,
    AHEAD_MAX,
    PRIVATE_KEY_SPECS,
    generate_private,
    make_ahead,
    open_private,
    private_der,
    public_der,
)

SLOW = {"RSA_3072", "RSA_4096"}
SPKI_BYTES = {
    "RSA_2048": 294,
    "RSA_3072": 422,
    "RSA_4096": 550,
    "ECC_NIST_P256": 91,
    "ECC_NIST_P384": 120,
    "ECC_NIST_P521": 158,
    "ECC_SECG_P256K1": 88,
    "ECC_NIST_EDWARDS25519": 44,
    "ML_DSA_44": 1_334,
    "ML_DSA_65": 1_974,
    "ML_DSA_87": 2_614,
    "ML_KEM_768": 1_206,
    "ML_KEM_1024": 1_590,
}


@pytest.mark.parametrize("spec", sorted(PRIVATE_KEY_SPECS))
def test_a_key_survives_its_der(spec: str) -> None:
    key = generate_private(spec)
    der = private_der(key)
    public = public_der(key)
    assert public_der(open_private(der)) == public
    assert len(public) == SPKI_BYTES[spec]
    load_der_public_key(public)
    if spec not in SLOW:
        assert public_der(generate_private(spec)) != public


def test_keys_made_ahead_are_bounded() -> None:
    _AHEAD["RSA_2048"].clear()
    for _ in range(AHEAD_MAX + 2):
        make_ahead("RSA_2048")
    waiting = list(_AHEAD["RSA_2048"])
    assert len(waiting) == AHEAD_MAX
    assert [generate_private("RSA_2048") for _ in range(AHEAD_MAX)] == waiting
    assert generate_private("RSA_2048") not in waiting
