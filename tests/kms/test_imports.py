from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from kms.algorithms import oaep
from kms.errors import KMSError
from kms.imports import (
    ALGORITHMS,
    TOKEN_SECONDS,
    WRAPPING_SPECS,
    Parameters,
    new_parameters,
    normalized,
    unwrap,
)
from kms.specs import NOT_IMPORTED, SPECS

NOW = 1_700_000_000.0


def der(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> bytearray:
    return bytearray(key.private_bytes(Encoding.DER, form, NoEncryption()))


def allowed(spec: str, algorithm: str, wrapping_spec: str) -> bool:
    """The table of AWS's documentation, row by row."""
    if spec == "SYMMETRIC_DEFAULT" or spec.startswith("HMAC"):
        return algorithm.startswith("RSAES_OAEP")
    if spec.startswith("RSA"):
        return algorithm.startswith("RSA_AES")
    if spec in ("ECC_NIST_P521", "ECC_NIST_EDWARDS25519") and wrapping_spec == "RSA_2048":
        return algorithm.startswith("RSA_AES")
    return True


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One wrapping key for all sizes: here the tables are asked, not the cryptography."""
    key = rsa.generate_private_key(65_537, 2_048)
    monkeypatch.setattr("kms.imports.generate_private", lambda spec: key)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("spec", sorted(set(SPECS) - NOT_IMPORTED))
def test_which_wrapping_is_for_which_key(spec: str) -> None:
    for algorithm in (*ALGORITHMS, "RSAES_PKCS1_V1_5"):
        for wrapping_spec in WRAPPING_SPECS:
            if algorithm in ALGORITHMS and allowed(spec, algorithm, wrapping_spec):
                made = new_parameters(spec, algorithm, wrapping_spec, NOW)
                assert (made.algorithm, made.valid_to) == (algorithm, NOW + TOKEN_SECONDS)
                continue
            with pytest.raises(KMSError) as caught:
                new_parameters(spec, algorithm, wrapping_spec, NOW)
            assert caught.value.message == (
                f"Wrapping algorithm {algorithm} and wrapping key spec {wrapping_spec} cannot be "
                f"used to import a {spec} key."
            )


@pytest.mark.parametrize(
    ("algorithm", "wrapping_spec"), [("SM2PKE", "RSA_2048"), ("RSAES_OAEP_SHA_1", "SM2")]
)
def test_sm2_is_not_supported(algorithm: str, wrapping_spec: str) -> None:
    with pytest.raises(KMSError, match="UnsupportedOperationException"):
        new_parameters("SYMMETRIC_DEFAULT", algorithm, wrapping_spec, NOW)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_parameters_survive_their_token(algorithm: str) -> None:
    spec = "ECC_NIST_P256"
    made = new_parameters(spec, algorithm, "RSA_2048", NOW)
    read = Parameters.decode(made.encode())
    assert (read.algorithm, read.valid_to) == (made.algorithm, made.valid_to)
    assert read.public_key == made.public_key
    assert "private_key" not in repr(made)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("wrapped", [b"", b"x", b"x" * 256, b"x" * 296])
def test_what_does_not_unwrap(algorithm: str, wrapped: bytes) -> None:
    made = new_parameters("ECC_NIST_P256", algorithm, "RSA_2048", NOW)
    with pytest.raises(KMSError) as caught:
        unwrap(made, wrapped)
    assert (caught.value.code, caught.value.message) == ("InvalidCiphertextException", "")


@pytest.mark.parametrize("algorithm", ["RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"])
@pytest.mark.parametrize(("key", "rest"), [(b"k" * 32, b"x" * 40), (b"k" * 31, b"x" * 40)])
def test_what_an_aes_key_does_not_unwrap(algorithm: str, key: bytes, rest: bytes) -> None:
    made = new_parameters("ECC_NIST_P256", algorithm, "RSA_2048", NOW)
    direct = "RSAES_OAEP_" + algorithm.removeprefix("RSA_AES_KEY_WRAP_")
    sealed = oaep.encrypt(made.private_key.public_key(), direct, key)
    with pytest.raises(KMSError, match="InvalidCiphertextException"):
        unwrap(made, sealed + rest)


@pytest.mark.parametrize(
    ("spec", "lengths"),
    [
        ("SYMMETRIC_DEFAULT", (32,)),
        ("HMAC_224", (28, 128)),
        ("HMAC_256", (32, 128)),
        ("HMAC_384", (48, 128)),
        ("HMAC_512", (64, 128)),
    ],
)
def test_lengths_of_symmetric_material(spec: str, lengths: tuple[int, ...]) -> None:
    for length in lengths:
        material = bytearray(b"m" * length)
        assert normalized(spec, material) == material
    for length in (min(lengths) - 1, max(lengths) + 1):
        with pytest.raises(KMSError, match="InvalidCiphertextException"):
            normalized(spec, bytearray(length))


KEYS = {
    "RSA_2048": rsa.generate_private_key(65_537, 2_048),
    "ECC_NIST_P256": ec.generate_private_key(ec.SECP256R1()),
    "ECC_NIST_P384": ec.generate_private_key(ec.SECP384R1()),
    "ECC_NIST_P521": ec.generate_private_key(ec.SECP521R1()),
    "ECC_SECG_P256K1": ec.generate_private_key(ec.SECP256K1()),
    "ECC_NIST_EDWARDS25519": Ed25519PrivateKey.generate(),
}


@pytest.mark.parametrize("spec", KEYS)
def test_private_keys_fit_their_spec_alone(spec: str) -> None:
    material = der(KEYS[spec])
    kept = normalized(spec, material)
    assert der(load_der_private_key(kept, None)) == material
    for other in sorted({*KEYS, "RSA_3072", "RSA_4096"} - {spec}):
        with pytest.raises(KMSError, match="InvalidCiphertextException"):
            normalized(other, material)


def test_one_key_has_one_form() -> None:
    key = KEYS["RSA_2048"]
    traditional = der(key, PrivateFormat.TraditionalOpenSSL)
    assert traditional != der(key)
    assert normalized("RSA_2048", traditional) == normalized("RSA_2048", der(key))


@pytest.mark.parametrize("material", [b"", b"x" * 64, bytes(der(KEYS["RSA_2048"]))[:-1]])
def test_what_is_no_private_key(material: bytes) -> None:
    with pytest.raises(KMSError, match="InvalidCiphertextException"):
        normalized("RSA_2048", bytearray(material))


@pytest.mark.parametrize("spec", ["RSA_2048", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_EDWARDS25519"])
def test_a_key_that_is_too_large_is_not_looked_at(
    spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To load one, its primes are proved: 8,676 bits, which fit into a request, take 15 seconds."""

    def load(material: bytearray, password: None) -> None:
        raise AssertionError("the key was loaded")

    monkeypatch.setattr("kms.imports.load_der_private_key", load)
    with pytest.raises(KMSError, match="InvalidCiphertextException"):
        normalized(spec, bytearray(4_959))
    with pytest.raises(AssertionError, match="loaded"):
        normalized(spec, bytearray(138))


def test_the_largest_keys_of_each_spec_fit() -> None:
    for bits in (2_048, 3_072, 4_096):
        key = rsa.generate_private_key(65_537, bits)
        assert normalized(f"RSA_{bits}", der(key)) == der(key)
    wide = ec.generate_private_key(ec.SECP521R1())
    assert normalized("ECC_NIST_P521", der(wide)) == der(wide)
