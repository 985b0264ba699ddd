"""What each kind of key can be used for, and the algorithms that go with it, as tables.

Source: https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html
"""

from collections.abc import Mapping

from kms.key import ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT

SIGN_VERIFY = "SIGN_VERIFY"
GENERATE_VERIFY_MAC = "GENERATE_VERIFY_MAC"
KEY_AGREEMENT = "KEY_AGREEMENT"
ENCAPSULATE_DECAPSULATE = "ENCAPSULATE_DECAPSULATE"

_RSA_ENCRYPTION = ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
_RSA_SIGNING = (
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
)
_RSA = {ENCRYPT_DECRYPT: _RSA_ENCRYPTION, SIGN_VERIFY: _RSA_SIGNING}

# The usages of each spec and the algorithms of each usage.
SPECS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    SYMMETRIC_DEFAULT: {ENCRYPT_DECRYPT: (SYMMETRIC_DEFAULT,)},
    "RSA_2048": _RSA,
    "RSA_3072": _RSA,
    "RSA_4096": _RSA,
    "ECC_NIST_P256": {SIGN_VERIFY: ("ECDSA_SHA_256",), KEY_AGREEMENT: ("ECDH",)},
    "ECC_NIST_P384": {SIGN_VERIFY: ("ECDSA_SHA_384",), KEY_AGREEMENT: ("ECDH",)},
    "ECC_NIST_P521": {SIGN_VERIFY: ("ECDSA_SHA_512",), KEY_AGREEMENT: ("ECDH",)},
    "ECC_SECG_P256K1": {SIGN_VERIFY: ("ECDSA_SHA_256",)},
    "ECC_NIST_EDWARDS25519": {SIGN_VERIFY: ("ED25519_SHA_512",)},
    "HMAC_224": {GENERATE_VERIFY_MAC: ("HMAC_SHA_224",)},
    "HMAC_256": {GENERATE_VERIFY_MAC: ("HMAC_SHA_256",)},
    "HMAC_384": {GENERATE_VERIFY_MAC: ("HMAC_SHA_384",)},
    "HMAC_512": {GENERATE_VERIFY_MAC: ("HMAC_SHA_512",)},
    "ML_DSA_44": {SIGN_VERIFY: ("ML_DSA_SHAKE_256",)},
    "ML_DSA_65": {SIGN_VERIFY: ("ML_DSA_SHAKE_256",)},
    "ML_DSA_87": {SIGN_VERIFY: ("ML_DSA_SHAKE_256",)},
    "ML_KEM_768": {ENCAPSULATE_DECAPSULATE: ("ML_KEM",)},
    "ML_KEM_1024": {ENCAPSULATE_DECAPSULATE: ("ML_KEM",)},
}

# The specs whose material cannot be imported.
NOT_IMPORTED = frozenset({"ML_DSA_44", "ML_DSA_65", "ML_DSA_87", "ML_KEM_768", "ML_KEM_1024"})

# The member of KeyMetadata and GetPublicKey that lists the algorithms of a usage.
ALGORITHM_MEMBERS: Mapping[str, str] = {
    ENCRYPT_DECRYPT: "EncryptionAlgorithms",
    SIGN_VERIFY: "SigningAlgorithms",
    GENERATE_VERIFY_MAC: "MacAlgorithms",
    KEY_AGREEMENT: "KeyAgreementAlgorithms",
    ENCAPSULATE_DECAPSULATE: "EncapsulationAlgorithms",
}
