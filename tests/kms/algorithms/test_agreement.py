from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kms.algorithms.agreement import agree
from kms.algorithms.keys import generate_private, public_der
from kms.errors import KMSError

CURVES: dict[str, ec.EllipticCurve] = {
    "secp256r1": ec.SECP256R1(),
    "secp384r1": ec.SECP384R1(),
    "secp521r1": ec.SECP521R1(),
}
SECRET_BYTES = {"ECC_NIST_P256": 32, "ECC_NIST_P384": 48, "ECC_NIST_P521": 66}


def refused(key: ec.EllipticCurvePrivateKey, peer: bytes) -> None:
    with pytest.raises(KMSError) as caught:
        agree(key, peer)
    assert (caught.value.code, caught.value.message) == ("ValidationException", "")


def test_vectors(case: dict[str, Any]) -> None:
    key = ec.derive_private_key(int(case["private"], 16), CURVES[case["curve"]])
    peer = bytes.fromhex(case["public"])
    if case["outcome"] == "valid":
        assert agree(key, peer).hex() == case["secret"]
    else:
        refused(key, peer)


@pytest.mark.parametrize("spec", sorted(SECRET_BYTES))
def test_both_sides_agree(spec: str) -> None:
    mine, theirs = generate_private(spec), generate_private(spec)
    assert isinstance(mine, ec.EllipticCurvePrivateKey)
    assert isinstance(theirs, ec.EllipticCurvePrivateKey)
    secret = agree(mine, public_der(theirs))
    assert secret == agree(theirs, public_der(mine))
    assert len(secret) == SECRET_BYTES[spec]
    for other in {"RSA_2048", "ECC_SECG_P256K1", *SECRET_BYTES} - {spec}:
        refused(mine, public_der(generate_private(other)))
    for damaged in (b"", b"\0", public_der(theirs)[:-1], public_der(theirs) + b"\0"):
        refused(mine, damaged)
