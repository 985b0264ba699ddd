from pathlib import Path
from typing import Any

import apsw
import pytest

from kms.aws import model
from kms.aws.audit import MemorySink
from kms.aws.identity import Caller
from kms.errors import KMSError
from kms.operations import HANDLERS
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
    assert event["encryptionContext"] == {"a": "b"}
    assert event["requestID"] == "request-1"
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
