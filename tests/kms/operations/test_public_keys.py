from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kms.algorithms.keys import PRIVATE_KEY_SPECS
from kms.specs import ALGORITHM_MEMBERS, SPECS

PAIRS = [
    (spec, usage)
    for spec in sorted(PRIVATE_KEY_SPECS - {"RSA_3072", "RSA_4096"})
    for usage in SPECS[spec]
]


@pytest.mark.parametrize(("spec", "usage"), PAIRS)
def test_public_keys(client: Any, spec: str, usage: str) -> None:
    arn = client.key(key_spec=spec, key_usage=usage)
    reply = client("GetPublicKey", key_id=arn)
    load_der_public_key(reply["PublicKey"])
    assert reply == {
        "KeyId": arn,
        "PublicKey": reply["PublicKey"],
        "CustomerMasterKeySpec": spec,
        "KeySpec": spec,
        "KeyUsage": usage,
        ALGORITHM_MEMBERS[usage]: list(SPECS[spec][usage]),
    }
    client("DisableKey", key_id=arn)
    assert client("GetPublicKey", key_id=arn) == reply
    client("ScheduleKeyDeletion", key_id=arn)
    client.fails(
        "KMSInvalidStateException", f"{arn} is pending deletion.", "GetPublicKey", key_id=arn
    )


@pytest.mark.parametrize("arguments", [{}, {"key_spec": "HMAC_256"}])
def test_secret_keys_have_none(client: Any, arguments: dict[str, str]) -> None:
    if arguments:
        arguments["key_usage"] = "GENERATE_VERIFY_MAC"
    arn = client.key(**arguments)
    client.fails("UnsupportedOperationException", "", "GetPublicKey", key_id=arn)
