import json
from typing import Any

import pytest
from botocore.serialize import create_serializer
from botocore.session import get_session

from kms import wire
from kms.aws import model
from kms.aws.errors import AWSError
from kms.aws.json_protocol import snake_case
from kms.operations import HANDLERS
from kms.wire import BINDERS, CONSTRAINTS


def bind(operation: str, **document: Any) -> dict[str, Any]:
    return BINDERS[operation](json.dumps(document).encode())


def test_values() -> None:
    assert bind(
        "Encrypt",
        KeyId="k",
        Plaintext="aGk=",
        EncryptionContext={"a": "b"},
        DryRun=True,
        GrantTokens=[],
        Unknown=1,
        EncryptionAlgorithm=None,
    ) == {
        "key_id": "k",
        "plaintext": b"hi",
        "encryption_context": {"a": "b"},
        "dry_run": True,
        "grant_tokens": [],
    }
    assert BINDERS["ListKeys"](b"{}") == {}


PLAIN = {"string": "alias/a", "boolean": False, "blob": b"b"}
NAMED = {
    "BackingKeyIdType": "ab" * 32,
    "GrantConstraintSourceArnType": "arn:aws:s3:us-east-1:111122223333:b",
    "PolicyNameType": "default",
    "RegionType": "eu-west-1",
    "ServicePrincipalType": "s3.amazonaws.com",
}


def sample(shape: Any) -> Any:
    """A valid value of a shape of the model."""
    if getattr(shape, "enum", None):
        return shape.enum[0]
    match shape.type_name:
        case "structure":
            return {name: sample(member) for name, member in shape.members.items()}
        case "list":
            return [sample(shape.member)]
        case "map":
            return {"a": sample(shape.value)}
        case "integer":
            return max(7, shape.metadata.get("min", 7))
        case "timestamp":
            return 1_700_000_000
    return NAMED.get(shape.name, PLAIN.get(shape.type_name))


@pytest.mark.parametrize("operation", HANDLERS)
def test_every_handlers_input_from_botocores_serializer(operation: str) -> None:
    """Every supported member, filled, as botocore sends it."""
    description = get_session().get_service_model("kms").operation_model(operation)
    taken = HANDLERS[operation].__annotations__
    shape = description.input_shape
    arguments = {
        member: sample(inner)
        for member, inner in shape.members.items()
        if snake_case(member) in taken
    }
    request = create_serializer("json").serialize_to_request(arguments, description)
    expected = {snake_case(member): value for member, value in arguments.items()}
    assert BINDERS[operation](request["body"]) == expected


@pytest.mark.parametrize(
    ("operation", "document", "text"),
    [
        (
            "ScheduleKeyDeletion",
            {"KeyId": "k", "PendingWindowInDays": 366},
            "1 validation error detected: Value '366' at 'pendingWindowInDays' failed to satisfy "
            "constraint: Member must have value less than or equal to 365",
        ),
        (
            "ListKeys",
            {"Limit": 0},
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        (
            "DescribeKey",
            {},
            "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            "DescribeKey",
            {"KeyId": ""},
            "2 validation errors detected: Value '' at 'keyId' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1; Value '' at 'keyId' failed to "
            r"satisfy constraint: Member must satisfy regular expression pattern: ^\p{ASCII}+$",
        ),
        (
            "DescribeKey",
            {"KeyId": "kéy"},
            "1 validation error detected: Value 'kéy' at 'keyId' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: ^\p{ASCII}+$",
        ),
        (
            "GenerateDataKey",
            {"KeyId": "k", "KeySpec": "AES_1"},
            "1 validation error detected: Value 'AES_1' at 'keySpec' failed to satisfy constraint: "
            "Member must satisfy enum value set: [RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, "
            "ECC_NIST_P384, ECC_NIST_P521, ECC_SECG_P256K1, ECC_NIST_EDWARDS25519, "
            "SYMMETRIC_DEFAULT, HMAC_224, HMAC_256, HMAC_384, HMAC_512, SM2, ML_DSA_44, ML_DSA_65, "
            "ML_DSA_87, ML_KEM_512, ML_KEM_768, ML_KEM_1024]",
        ),
        (
            "GenerateMac",
            {"KeyId": "k", "Message": "QQ==", "MacAlgorithm": "HMAC"},
            "1 validation error detected: Value 'HMAC' at 'macAlgorithm' failed to satisfy "
            "constraint: Member must satisfy enum value set: [HMAC_SHA_384, HMAC_SHA_256, "
            "HMAC_SHA_224, HMAC_SHA_512]",
        ),
        (
            "CreateGrant",
            {"KeyId": "k", "Operations": ["Decrypt", "Foo", "Bar"]},
            "1 validation error detected: Value '[Decrypt, Foo, Bar]' at 'operations' failed to "
            "satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value "
            "set: [Decrypt, Encrypt, GenerateDataKey, GenerateDataKeyWithoutPlaintext, "
            "ReEncryptFrom, ReEncryptTo, Sign, Verify, GetPublicKey, CreateGrant, RetireGrant, "
            "DescribeKey, GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext, GenerateMac, "
            "VerifyMac, DeriveSharedSecret, Encapsulate, Decapsulate]]",
        ),
        (
            "UntagResource",
            {"KeyId": "k", "TagKeys": ["a", ""]},
            "1 validation error detected: Value '[a, ]' at 'tagKeys' failed to satisfy constraint: "
            "Member must satisfy constraint: [Member must have length less than or equal to 128, "
            "Member must have length greater than or equal to 1]",
        ),
        (
            "Verify",
            {"KeyId": "k", "SigningAlgorithm": "ECDSA_SHA_256"},
            "2 validation errors detected: Value at 'message' failed to satisfy constraint: Member "
            "must not be null; Value null at 'signature' failed to satisfy constraint: Member must "
            "not be null",
        ),
        (
            "Decrypt",
            {"CiphertextBlob": ""},
            "1 validation error detected: Value at 'ciphertextBlob' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        (
            "DeleteAlias",
            {"AliasName": "alias/a b"},
            "1 validation error detected: Value 'alias/a b' at 'aliasName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$",
        ),
        (
            "Encrypt",
            {"KeyId": "k", "Plaintext": "QUFB" * 1400},
            "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: "
            "Member must have length less than or equal to 4096",
        ),
        (
            "CreateKey",
            {"Tags": [{"TagKey": "", "TagValue": "v"}, {"TagKey": "k"}]},
            "2 validation errors detected: Value '' at 'tags.1.member.tagKey' failed to satisfy "
            "constraint: Member must have length greater than or equal to 1; Value null at "
            "'tags.2.member.tagValue' failed to satisfy constraint: Member must not be null",
        ),
    ],
)
def test_validation_texts(operation: str, document: dict[str, Any], text: str) -> None:
    with pytest.raises(AWSError) as caught:
        bind(operation, **document)
    assert (caught.value.code, caught.value.message) == ("ValidationException", text)


def test_listed_values_are_all_the_models_and_no_others() -> None:
    service = model.load("kms")
    for name, constraint in CONSTRAINTS.items():
        listed = {"KeyIdType": (), "DataKeySpec": service.shape("KeySpec").enum}
        assert sorted(constraint.enum) == sorted(listed.get(name, service.shape(name).enum))


START = "Start of structure or map found where not expected."
LIST = "Start of list found where not expected"


@pytest.mark.parametrize(
    ("operation", "body", "text"),
    [
        ("ListKeys", b"", ""),
        ("ListKeys", b"null", ""),
        ("ListKeys", b'"x"', ""),
        ("ListKeys", b'{"Limit":1,}', ""),
        ("ListKeys", b"[]", LIST),
        ("ListKeys", b'{"Limit":"1"}', "STRING_VALUE can not be converted to an Integer"),
        ("ListKeys", b'{"Limit":true}', "TRUE_VALUE can not be converted to an Integer"),
        ("ListKeys", b'{"Limit":[1]}', LIST),
        ("ListKeys", b'{"Limit":{"a":1}}', START),
        ("ListKeys", b'{"Limit":1.5}', ""),
        (
            "ListKeys",
            b'{"Limit":"1","Marker":""}',
            "STRING_VALUE can not be converted to an Integer",
        ),
        ("ListKeys", b'{"Marker":1}', "NUMBER_VALUE can not be converted to a String"),
        ("ListKeys", b'{"Marker":false}', "FALSE_VALUE can not be converted to a String"),
        ("CreateKey", b'{"MultiRegion":"x"}', "STRING_VALUE can not be converted to a Boolean"),
        ("CreateKey", b'{"Tags":"x"}', "Expected list or null"),
        ("CreateKey", b'{"Tags":["x"]}', "Expected null"),
        ("CreateKey", b'{"Tags":{}}', START),
        (
            "UntagResource",
            b'{"KeyId":"k","TagKeys":[1]}',
            "NUMBER_VALUE can not be converted to a String",
        ),
        ("Encrypt", b'{"EncryptionContext":1}', "Expected map or null"),
        ("Encrypt", b'{"Plaintext":"?"}', ""),
        (
            "ImportKeyMaterial",
            b'{"ValidTo":"x"}',
            "STRING_VALUE can not be converted to milliseconds since epoch",
        ),
    ],
)
def test_values_of_other_types(operation: str, body: bytes, text: str) -> None:
    with pytest.raises(AWSError) as caught:
        BINDERS[operation](body)
    assert (caught.value.code, caught.value.message) == ("SerializationException", text)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"ValidTo":NaN}',
        b'{"ValidTo":-Infinity}',
        b"[" * 100_000,
        b'{"KeyId":1}',
        b'{"KeyId":"k","Plaintext":"?"}',
        b'{"KeyId":"k","Plaintext":[]}',
        b'{"KeyId":"k","Plaintext":"QQ==","EncryptionContext":[]}',
        b'{"KeyId":"k","Plaintext":"QQ==","EncryptionContext":{"a":1}}',
        b'{"KeyId":"k","Plaintext":"QQ==","GrantTokens":"t"}',
        b'{"KeyId":"k","Plaintext":"QQ==","DryRun":"yes"}',
        b'{"KeyId":"k","Plaintext":"QQ==","GrantTokens":[' + b'"t",' * 1001 + b'"t"]}',
        b" " * (wire.BODY_BYTES_MAX + 1),
    ],
)
def test_what_is_no_request(body: bytes) -> None:
    with pytest.raises(AWSError, match="SerializationException"):
        BINDERS["Encrypt"](body)


def test_integers_are_not_booleans_and_contexts_are_bounded() -> None:
    with pytest.raises(AWSError, match="SerializationException"):
        bind("ListKeys", Limit=True)
    with pytest.raises(AWSError, match="SerializationException"):
        bind(
            "Encrypt",
            KeyId="k",
            Plaintext="QQ==",
            EncryptionContext={str(number): "" for number in range(1_001)},
        )


def test_members_that_nobody_takes_are_refused_by_name() -> None:
    with pytest.raises(AWSError, match="does not support CustomKeyStoreId") as caught:
        bind("GenerateRandom", NumberOfBytes=1, CustomKeyStoreId="cks-1")
    assert caught.value.code == "UnsupportedOperationException"
