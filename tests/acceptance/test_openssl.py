"""The server's cryptography against the openssl command, which shares no code with it."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command"),
]

MESSAGE = b"The message that is signed."
PSS = ("rsa_padding_mode:pss", "rsa_pss_saltlen:digest")
SIGNATURES = [
    ("RSA_2048", "RSASSA_PSS_SHA_256", ("digest:sha256", *PSS)),
    ("RSA_3072", "RSASSA_PSS_SHA_384", ("digest:sha384", *PSS)),
    ("RSA_2048", "RSASSA_PSS_SHA_512", ("digest:sha512", *PSS)),
    ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256", ("digest:sha256",)),
    ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_512", ("digest:sha512",)),
    ("ECC_NIST_P256", "ECDSA_SHA_256", ("digest:sha256",)),
    ("ECC_NIST_P384", "ECDSA_SHA_384", ("digest:sha384",)),
    ("ECC_NIST_P521", "ECDSA_SHA_512", ("digest:sha512",)),
    ("ECC_SECG_P256K1", "ECDSA_SHA_256", ("digest:sha256",)),
    ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512", None),
    ("ML_DSA_44", "ML_DSA_SHAKE_256", None),
    ("ML_DSA_65", "ML_DSA_SHAKE_256", None),
    ("ML_DSA_87", "ML_DSA_SHAKE_256", None),
]
CURVES = {"ECC_NIST_P256": "P-256", "ECC_NIST_P384": "P-384", "ECC_NIST_P521": "P-521"}
OAEP = {
    "RSAES_OAEP_SHA_1": ("rsa_padding_mode:oaep",),
    "RSAES_OAEP_SHA_256": ("rsa_padding_mode:oaep", "rsa_oaep_md:sha256"),
}


def openssl(*arguments: str, fails: bool = False) -> bytes:
    done = subprocess.run(["openssl", *arguments], capture_output=True, check=False, timeout=60)
    assert (done.returncode != 0) is fails, done.stderr.decode()
    return done.stdout


def needs_version(major: int, minor: int) -> None:
    found = re.match(rb"OpenSSL (\d+)\.(\d+)", openssl("version"))
    if found is None or (int(found[1]), int(found[2])) < (major, minor):
        pytest.skip(f"needs OpenSSL {major}.{minor} for ML-DSA and ML-KEM")


def options(pairs: tuple[str, ...]) -> list[str]:
    return [part for pair in pairs for part in ("-pkeyopt", pair)]


@pytest.fixture
def kms(server: Any) -> Any:
    return server.client("kms")


def key_of(kms: Any, folder: Path, spec: str, usage: str) -> tuple[str, str]:
    """A new key's id and the file with its public half."""
    key_id: str = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
    file = folder / "public.der"
    file.write_bytes(kms.get_public_key(KeyId=key_id)["PublicKey"])
    return key_id, str(file)


@pytest.mark.parametrize(("spec", "algorithm", "pairs"), SIGNATURES)
def test_openssl_verifies_signatures(
    kms: Any, tmp_path: Path, spec: str, algorithm: str, pairs: tuple[str, ...] | None
) -> None:
    if spec.startswith("ML_DSA"):
        needs_version(3, 5)
    key_id, public = key_of(kms, tmp_path, spec, "SIGN_VERIFY")
    signature, message = tmp_path / "signature", tmp_path / "message"
    named = {"KeyId": key_id, "SigningAlgorithm": algorithm}
    verify = ["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", public]
    verify += ["-sigfile", str(signature), "-in", str(message)]
    verify += options(pairs) if pairs else ["-rawin"]
    digest = hashlib.new(f"sha{algorithm[-3:]}", MESSAGE).digest() if pairs else MESSAGE
    signature.write_bytes(kms.sign(Message=MESSAGE, **named)["Signature"])
    message.write_bytes(digest)
    openssl(*verify)
    if pairs:
        signed = kms.sign(Message=digest, MessageType="DIGEST", **named)
        signature.write_bytes(signed["Signature"])
        openssl(*verify)
    message.write_bytes(bytes(len(digest)))
    openssl(*verify, fails=True)


@pytest.mark.parametrize("algorithm", sorted(OAEP))
def test_kms_opens_what_openssl_encrypts(kms: Any, tmp_path: Path, algorithm: str) -> None:
    key_id, public = key_of(kms, tmp_path, "RSA_2048", "ENCRYPT_DECRYPT")
    plaintext, ciphertext = tmp_path / "plaintext", tmp_path / "ciphertext"
    plaintext.write_bytes(MESSAGE)
    encrypt = ["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", public]
    openssl(*encrypt, "-in", str(plaintext), "-out", str(ciphertext), *options(OAEP[algorithm]))
    opened = kms.decrypt(
        KeyId=key_id, CiphertextBlob=ciphertext.read_bytes(), EncryptionAlgorithm=algorithm
    )
    assert opened["Plaintext"] == MESSAGE


@pytest.mark.parametrize("algorithm", sorted(OAEP))
def test_openssl_opens_what_kms_encrypts(kms: Any, tmp_path: Path, algorithm: str) -> None:
    """With a private key that openssl made, wrapped by openssl, and imported."""
    private, secret, wrapped = (str(tmp_path / name) for name in ("private", "secret", "wrapped"))
    openssl("genpkey", "-algorithm", "RSA", "-out", f"{private}.pem")
    openssl(
        "pkcs8", "-topk8", "-nocrypt", "-in", f"{private}.pem", "-outform", "DER", "-out", private
    )
    key_id = kms.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT", Origin="EXTERNAL")[
        "KeyMetadata"
    ]["KeyId"]
    parameters = kms.get_parameters_for_import(
        KeyId=key_id, WrappingAlgorithm="RSA_AES_KEY_WRAP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    wrapping = tmp_path / "wrapping"
    wrapping.write_bytes(parameters["PublicKey"])
    openssl("rand", "-out", secret, "32")
    wrap = ["enc", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-e"]
    key = Path(secret).read_bytes().hex()
    openssl(*wrap, "-K", key, "-in", private, "-out", wrapped)
    encrypt = ["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", str(wrapping)]
    head = openssl(*encrypt, "-in", secret, *options(OAEP["RSAES_OAEP_SHA_256"]))
    kms.import_key_material(
        KeyId=key_id,
        ImportToken=parameters["ImportToken"],
        EncryptedKeyMaterial=head + Path(wrapped).read_bytes(),
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )
    sealed = kms.encrypt(KeyId=key_id, Plaintext=MESSAGE, EncryptionAlgorithm=algorithm)
    ciphertext = tmp_path / "ciphertext"
    ciphertext.write_bytes(sealed["CiphertextBlob"])
    decrypt = ["pkeyutl", "-decrypt", "-inkey", f"{private}.pem", "-in", str(ciphertext)]
    assert openssl(*decrypt, *options(OAEP[algorithm])) == MESSAGE


@pytest.mark.parametrize("spec", sorted(CURVES))
def test_both_derive_the_same_secret(kms: Any, tmp_path: Path, spec: str) -> None:
    key_id, public = key_of(kms, tmp_path, spec, "KEY_AGREEMENT")
    private = str(tmp_path / "private.pem")
    curve = f"ec_paramgen_curve:{CURVES[spec]}"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", curve, "-out", private)
    reply = kms.derive_shared_secret(
        KeyId=key_id,
        KeyAgreementAlgorithm="ECDH",
        PublicKey=openssl("pkey", "-in", private, "-pubout", "-outform", "DER"),
    )
    derive = ["pkeyutl", "-derive", "-inkey", private, "-peerform", "DER", "-peerkey", public]
    assert openssl(*derive) == reply["SharedSecret"]


@pytest.mark.parametrize("spec", ["ML_KEM_768", "ML_KEM_1024"])
def test_kms_decapsulates_what_openssl_encapsulates(kms: Any, tmp_path: Path, spec: str) -> None:
    needs_version(3, 5)
    key_id, public = key_of(kms, tmp_path, spec, "ENCAPSULATE_DECAPSULATE")
    secret, ciphertext = tmp_path / "secret", tmp_path / "ciphertext"
    openssl(
        *("pkeyutl", "-encap", "-pubin", "-keyform", "DER", "-inkey", public),
        *("-secret", str(secret), "-out", str(ciphertext)),
    )
    reply = kms.decapsulate(
        KeyId=key_id,
        EncapsulationAlgorithm="ML_KEM",
        SharedSecretCiphertextBlob=ciphertext.read_bytes(),
    )
    assert reply["SharedSecret"] == secret.read_bytes()


def test_a_data_key_pair_is_openssls_too(kms: Any, tmp_path: Path) -> None:
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    for spec in ("RSA_2048", "ECC_NIST_P256", "ECC_NIST_EDWARDS25519"):
        pair = kms.generate_data_key_pair(KeyId=key_id, KeyPairSpec=spec)
        private = tmp_path / spec
        private.write_bytes(pair["PrivateKeyPlaintext"])
        found = openssl(
            *("pkey", "-inform", "DER", "-in", str(private), "-pubout", "-outform", "DER")
        )
        assert found == pair["PublicKey"]


def test_an_hmac_is_openssls(kms: Any, tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.write_bytes(MESSAGE)
    for bits in (224, 256, 384, 512):
        material = bytes(range(bits // 8))
        key_id = kms.create_key(
            KeySpec=f"HMAC_{bits}", KeyUsage="GENERATE_VERIFY_MAC", Origin="EXTERNAL"
        )["KeyMetadata"]["KeyId"]
        parameters = kms.get_parameters_for_import(
            KeyId=key_id, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
        )
        public, secret = tmp_path / "public", tmp_path / "secret"
        public.write_bytes(parameters["PublicKey"])
        secret.write_bytes(material)
        encrypt = ["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", str(public)]
        kms.import_key_material(
            KeyId=key_id,
            ImportToken=parameters["ImportToken"],
            EncryptedKeyMaterial=openssl(
                *encrypt, "-in", str(secret), *options(OAEP["RSAES_OAEP_SHA_256"])
            ),
            ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
        )
        made = kms.generate_mac(KeyId=key_id, Message=MESSAGE, MacAlgorithm=f"HMAC_SHA_{bits}")
        hmac = ["dgst", f"-sha{bits}", "-mac", "HMAC", "-macopt", f"hexkey:{material.hex()}"]
        assert openssl(*hmac, "-binary", str(message)) == made["Mac"]
