import json
from pathlib import Path
from typing import Any

import apsw
import pytest

from kms.aws import model
from kms.aws.audit import MemorySink
from kms.aws.identity import Caller
from kms.errors import KMSError
from kms.operations import HANDLERS
from kms.policy_text import default_policy
from kms.service import Service


def test_every_call_is_audited_and_nothing_secret(client: Any, audit: MemorySink) -> None:
    arn = client.key()
    output = client(
        "GenerateDataKey", key_id=arn, key_spec="AES_256", encryption_context={"a": "b"}
    )
    event = audit.events[-1]
    assert event["eventName"] == "GenerateDataKey"
    assert event["keyArn"] == arn
    assert event["keyMaterialId"] == output["KeyMaterialId"]
    assert event["parameters"]["encryption_context"] == {"a": "b"}
    assert event["caller"].request_id == "request-1"
    assert event["errorCode"] == ""
    assert bytes(output["Plaintext"]) not in repr(event).encode()
    with pytest.raises(KMSError):
        client("Decrypt", ciphertext_blob=b"x")
    assert audit.events[-1]["errorCode"] == "InvalidCiphertextException"


@pytest.mark.parametrize("operation", sorted(set(model.load("kms").operations) - set(HANDLERS)))
def test_the_rest_of_the_model_is_unsupported_by_name(client: Any, operation: str) -> None:
    with pytest.raises(KMSError) as caught:
        client(operation)
    assert caught.value.code == "UnsupportedOperationException"
    assert operation in caught.value.message


def test_what_is_not_in_the_model_is_unknown(client: Any, audit: MemorySink) -> None:
    with pytest.raises(KMSError, match="UnknownOperationException"):
        client("DeleteEverything")
    assert audit.events[-1]["errorCode"] == "UnknownOperationException"


def test_damaged_rows_are_internal_errors(
    client: Any, service: Service, caller: Caller, tmp_path: Path
) -> None:
    arn = client.key()
    raw = apsw.Connection(str(tmp_path / "keys.db"))
    raw.execute("UPDATE materials SET wrapped=zeroblob(60)")
    raw.close()
    with pytest.raises(KMSError) as caught:
        service.call("Encrypt", {"key_id": arn, "plaintext": b"x"}, caller)
    assert (caught.value.code, caught.value.status) == ("KMSInternalException", 500)


def test_an_explanation_changes_nothing(client: Any, audit: MemorySink) -> None:
    condition = {"StringEquals": {"kms:EncryptionContext:Team": "red"}}
    policy = json.loads(default_policy("111122223333"))
    policy["Statement"].append(
        {
            "Sid": "Red",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "kms:Decrypt",
            "Resource": "*",
            "Condition": condition,
        }
    )
    arn = client.key(policy=json.dumps(policy))
    recorded = len(audit.events)
    service, caller = client.service, client.caller
    plain = service.explain("Decrypt", caller, key_id=arn, context={})
    assert plain.allowed
    made_up = {"kms:EncryptionContext:team": "red", "aws:SourceIp": "192.0.2.1"}
    denied = service.explain("Decrypt", caller, key_id=arn, context=made_up)
    assert denied.explain("kms:Decrypt") == (
        "denied with an explicit deny in a resource-based policy (Red of the key policy)"
    )
    key = service.store.key("111122223333", "us-east-1", arn.rpartition("/")[2])
    assert key is not None
    assert service.authorizer.remembered(caller, "Decrypt", key) is None
    assert len(audit.events) == recorded
    with pytest.raises(KMSError, match="NotFoundException"):
        service.explain("Decrypt", caller, key_id=arn[:-1] + "x", context={})
