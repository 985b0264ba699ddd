from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey, MLKEM1024PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kms.algorithms.keys import generate_private, private_der, public_der

DRY = "The request would have succeeded, but the DryRun option is set."
CURVES = {"ECC_NIST_P256": 32, "ECC_NIST_P384": 48, "ECC_NIST_P521": 66}
KEMS = {"ML_KEM_768": 1_088, "ML_KEM_1024": 1_568}


@pytest.mark.parametrize("spec", sorted(CURVES))
def test_two_keys_agree_and_so_does_the_world_outside(client: Any, spec: str) -> None:
    mine = client.key(key_spec=spec, key_usage="KEY_AGREEMENT")
    theirs = generate_private(spec)
    assert isinstance(theirs, ec.EllipticCurvePrivateKey)
    reply = client(
        "DeriveSharedSecret",
        key_id=mine,
        key_agreement_algorithm="ECDH",
        public_key=public_der(theirs),
    )
    public = load_der_public_key(client("GetPublicKey", key_id=mine)["PublicKey"])
    assert isinstance(public, ec.EllipticCurvePublicKey)
    secret = theirs.exchange(ec.ECDH(), public)
    assert len(secret) == CURVES[spec]
    assert reply == {
        "KeyId": mine,
        "SharedSecret": secret,
        "KeyAgreementAlgorithm": "ECDH",
        "KeyOrigin": "AWS_KMS",
    }


def test_peers_that_do_not_fit(client: Any) -> None:
    arn = client.key(key_spec="ECC_NIST_P256", key_usage="KEY_AGREEMENT")
    named = {"key_id": arn, "key_agreement_algorithm": "ECDH"}
    for peer in (b"x", public_der(generate_private("ECC_NIST_P384"))):
        for dry_run in (False, True):
            client.fails(
                "ValidationException",
                "",
                "DeriveSharedSecret",
                public_key=peer,
                dry_run=dry_run,
                **named,
            )
    peer = public_der(generate_private("ECC_NIST_P256"))
    client.fails(
        "DryRunOperationException",
        DRY,
        "DeriveSharedSecret",
        public_key=peer,
        dry_run=True,
        **named,
    )
    signing = client.key(key_spec="ECC_NIST_P256", key_usage="SIGN_VERIFY")
    client.fails(
        "InvalidKeyUsageException",
        f"{signing} key usage is SIGN_VERIFY which is not valid for DeriveSharedSecret.",
        "DeriveSharedSecret",
        public_key=peer,
        **{**named, "key_id": signing},
    )


@pytest.mark.parametrize("spec", sorted(KEMS))
def test_encapsulate_and_decapsulate(client: Any, spec: str) -> None:
    arn = client.key(key_spec=spec, key_usage="ENCAPSULATE_DECAPSULATE")
    named = {"key_id": arn, "encapsulation_algorithm": "ML_KEM"}
    made = client("Encapsulate", **named)
    ciphertext = made["SharedSecretCiphertextBlob"]
    assert (len(made["SharedSecret"]), len(ciphertext)) == (32, KEMS[spec])
    assert client("Decapsulate", shared_secret_ciphertext_blob=ciphertext, **named) == {
        "KeyId": arn,
        "SharedSecret": made["SharedSecret"],
        "EncapsulationAlgorithm": "ML_KEM",
    }
    public = load_der_public_key(client("GetPublicKey", key_id=arn)["PublicKey"])
    assert isinstance(public, MLKEM768PublicKey | MLKEM1024PublicKey)
    secret, outside = public.encapsulate()
    reply = client("Decapsulate", shared_secret_ciphertext_blob=outside, **named)
    assert reply["SharedSecret"] == secret
    client.fails(
        "InvalidCiphertextException",
        "",
        "Decapsulate",
        shared_secret_ciphertext_blob=ciphertext[1:],
        dry_run=True,
        **named,
    )
    client.fails("DryRunOperationException", DRY, "Encapsulate", dry_run=True, **named)
    client.fails(
        "DryRunOperationException",
        DRY,
        "Decapsulate",
        shared_secret_ciphertext_blob=ciphertext,
        dry_run=True,
        **named,
    )
    client("DisableKey", key_id=arn)
    client.fails("DisabledException", f"{arn} is disabled.", "Encapsulate", **named)


def test_vectors_through_import(client: Any, vectors: Any) -> None:
    curves: dict[str, tuple[str, ec.EllipticCurve]] = {
        "secp256r1": ("ECC_NIST_P256", ec.SECP256R1()),
        "secp384r1": ("ECC_NIST_P384", ec.SECP384R1()),
        "secp521r1": ("ECC_NIST_P521", ec.SECP521R1()),
    }
    arns: dict[tuple[str, str], str] = {}
    for case in vectors("agreement"):
        spec, curve = curves[case["curve"]]
        name = case["curve"], case["private"]
        if name not in arns and sum(curve == case["curve"] for curve, _ in arns) < 2:
            private = ec.derive_private_key(int(case["private"], 16), curve)
            arns[name] = client.key(origin="EXTERNAL", key_spec=spec, key_usage="KEY_AGREEMENT")
            client.import_material(
                arns[name], bytes(private_der(private)), algorithm="RSA_AES_KEY_WRAP_SHA_256"
            )
        if name not in arns:
            continue
        named = {
            "key_id": arns[name],
            "key_agreement_algorithm": "ECDH",
            "public_key": bytes.fromhex(case["public"]),
        }
        if case["outcome"] == "valid":
            reply = client("DeriveSharedSecret", **named)
            assert reply["SharedSecret"].hex() == case["secret"]
            assert reply["KeyOrigin"] == "EXTERNAL"
        else:
            client.fails("ValidationException", "", "DeriveSharedSecret", **named)
    assert len(arns) == 6
