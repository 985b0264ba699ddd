import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from kms.algorithms.keys import generate_private, public_der
from kms.errors import KMSError
from kms.recipient import deliver, recipient_of, seal

KEY = rsa.generate_private_key(65_537, 2_048)
PUBLIC = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def attested(public: Any = PUBLIC, *, tag: int | None = None) -> dict[str, Any]:
    """A Recipient with a document as the Nitro hypervisor makes them; its signature is void."""
    payload = {
        "module_id": "i-1234567890abcdef0-enc0123456789abcdef",
        "digest": "SHA384",
        "timestamp": 1_700_000_000_000,
        "pcrs": {number: bytes(48) for number in range(16)},
        "certificate": b"certificate",
        "cabundle": [b"root"],
        "public_key": public,
        "user_data": None,
        "nonce": None,
    }
    document: Any = [cbor2.dumps({1: -35}), {}, cbor2.dumps(payload), bytes(96)]
    if tag is not None:
        document = cbor2.CBORTag(tag, document)
    return {
        "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        "AttestationDocument": cbor2.dumps(document),
    }


def opened(envelope: bytes, folder: Path) -> bytes:
    """What OpenSSL finds in a CMS envelope with the recipient's private key."""
    key = folder / "key.pem"
    key.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    command = ["openssl", "cms", "-decrypt", "-inform", "DER", "-inkey", str(key)]
    done = subprocess.run(command, input=envelope, capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("tag", [None, 18])
def test_the_key_of_a_document(tag: int | None) -> None:
    key = recipient_of(attested(tag=tag))
    assert key is not None
    assert key.public_numbers() == KEY.public_key().public_numbers()
    assert recipient_of(None) is None


def test_a_document_has_no_other_tags() -> None:
    """What tags stand for can cost far more than their bytes: powers, fractions, patterns."""
    for tag in (*range(70_000), 1 << 32):
        tagged = attested(cbor2.CBORTag(tag, b"x"))
        with pytest.raises(KMSError, match="not valid"):
            recipient_of(tagged)
    doubled = b"\xd2" + attested(tag=18)["AttestationDocument"]
    with pytest.raises(KMSError, match="not valid"):
        recipient_of({"AttestationDocument": doubled})


INVALID = [
    {},
    {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256"},
    attested(tag=17),
    attested(None),
    attested(b"x"),
    attested("x"),
    attested(public_der(generate_private("ECC_NIST_P256"))),
    attested(
        rsa.generate_private_key(65_537, 1_024)
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ),
    *(
        {"AttestationDocument": document}
        for document in (
            b"",
            b"\xff",
            cbor2.dumps(1),
            cbor2.dumps([b"", {}, b""]),
            cbor2.dumps([b"", {}, b"\xff", b""]),
            cbor2.dumps([b"", {}, cbor2.dumps({"public": PUBLIC}), b""]),
            cbor2.dumps([b"", {}, cbor2.dumps([1]), b""]),
            b"\x81" * 200_000,
        )
    ),
]


@pytest.mark.parametrize("number", range(len(INVALID)))
def test_what_is_no_document(number: int) -> None:
    with pytest.raises(KMSError) as caught:
        recipient_of(INVALID[number])
    assert caught.value.code == "ValidationException"
    assert caught.value.message == "The attestation document is not valid."


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
@pytest.mark.parametrize("length", [1, 15, 16, 32, 4_096])
def test_openssl_opens_the_envelope(tmp_path: Path, length: int) -> None:
    secret = bytearray(range(256)) * 16
    del secret[length:]
    assert opened(seal(KEY.public_key(), secret), tmp_path) == secret


def test_the_envelope_has_the_layout_of_awss() -> None:
    envelope = seal(KEY.public_key(), bytearray(32)).hex()
    assert envelope.startswith("308006092a864886f70d010703a08030800201023182016b308201670201028020")
    assert hashlib.sha256(PUBLIC).hexdigest() in envelope
    assert envelope.endswith("00" * 10)
    assert len(envelope) == 2 * 493


def test_deliver(tmp_path: Path) -> None:
    secret = bytearray(b"secret")
    assert deliver(None, "Plaintext", secret) == {"Plaintext": b"secret"}
    reply = deliver(KEY.public_key(), "Plaintext", secret)
    assert set(reply) == {"CiphertextForRecipient"}
    assert secret == bytes(6)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
def test_operations_answer_the_recipient(client: Any, tmp_path: Path) -> None:
    arn, recipient = client.key(), attested()
    made = client("GenerateDataKey", key_id=arn, key_spec="AES_256", recipient=recipient)
    assert set(made) == {"CiphertextBlob", "KeyId", "CiphertextForRecipient"}
    plain = client("Decrypt", ciphertext_blob=made["CiphertextBlob"])["Plaintext"]
    assert opened(made["CiphertextForRecipient"], tmp_path) == plain
    decrypted = client("Decrypt", ciphertext_blob=made["CiphertextBlob"], recipient=recipient)
    assert set(decrypted) == {"KeyId", "EncryptionAlgorithm", "CiphertextForRecipient"}
    assert opened(decrypted["CiphertextForRecipient"], tmp_path) == plain
    pair = client(
        "GenerateDataKeyPair", key_id=arn, key_pair_spec="ECC_NIST_P256", recipient=recipient
    )
    assert not {"PrivateKeyPlaintext", "KeyMaterialId"} & set(pair)
    private = client("Decrypt", ciphertext_blob=pair["PrivateKeyCiphertextBlob"])["Plaintext"]
    assert opened(pair["CiphertextForRecipient"], tmp_path) == private
    random = client("GenerateRandom", number_of_bytes=9, recipient=recipient)
    assert len(opened(random["CiphertextForRecipient"], tmp_path)) == 9
    agreeing = client.key(key_spec="ECC_NIST_P256", key_usage="KEY_AGREEMENT")
    secret = client(
        "DeriveSharedSecret",
        key_id=agreeing,
        key_agreement_algorithm="ECDH",
        public_key=public_der(generate_private("ECC_NIST_P256")),
        recipient=recipient,
    )
    assert "SharedSecret" not in secret
    assert len(opened(secret["CiphertextForRecipient"], tmp_path)) == 32
    client.fails(
        "ValidationException",
        "The attestation document is not valid.",
        "Decrypt",
        ciphertext_blob=made["CiphertextBlob"],
        recipient={"AttestationDocument": b"x"},
    )
