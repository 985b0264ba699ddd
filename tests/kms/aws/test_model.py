import gzip
import importlib.util
import json
from pathlib import Path

import pytest

from kms.aws import model


@pytest.mark.parametrize(
    ("service", "protocol", "operation"),
    [
        ("s3", "rest-xml", "PutObject"),
        ("kms", "json", "GenerateDataKey"),
        ("sts", "query", "GetCallerIdentity"),
    ],
)
def test_loads_the_services_we_speak(service: str, protocol: str, operation: str) -> None:
    loaded = model.load(service)
    assert loaded.protocol == protocol
    assert operation in loaded.operations


def test_members_know_their_place_on_the_wire() -> None:
    s3 = model.load("s3")
    operation = s3.operations["PutObject"]
    assert (operation.method, operation.uri) == ("PUT", "/{Bucket}/{Key+}")
    assert operation.input is not None
    shape = s3.shape(operation.input)
    assert shape.payload == "Body"
    assert shape.required == {"Bucket", "Key"}
    member = shape.members["SSEKMSKeyId"]
    assert (member.location, member.wire_name) == (
        "header",
        "x-amz-server-side-encryption-aws-kms-key-id",
    )


def test_kms_limits_are_read() -> None:
    kms = model.load("kms")
    assert kms.target_prefix == "TrentService"
    assert kms.shape("AliasNameType").pattern == "^[a-zA-Z0-9:/_-]+$"
    assert (kms.shape("AliasNameType").minimum, kms.shape("AliasNameType").maximum) == (1, 256)


def test_unknown_service() -> None:
    with pytest.raises(FileNotFoundError):
        model.load("nothing")


@pytest.mark.parametrize("packed", [True, False])
def test_a_model_may_be_packed_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    folder = tmp_path / "botocore" / "data" / "tiny" / "2020-01-01"
    folder.mkdir(parents=True)
    (tmp_path / "botocore" / "__init__.py").write_text("")
    document = json.dumps(TINY).encode()
    if packed:
        (folder / "service-2.json.gz").write_bytes(gzip.compress(document))
    else:
        (folder / "service-2.json").write_bytes(document)
    spec = importlib.util.spec_from_file_location(
        "botocore",
        tmp_path / "botocore" / "__init__.py",
        submodule_search_locations=[str(tmp_path / "botocore")],
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert list(model.load.__wrapped__("tiny").operations) == ["Do"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="not installed"):
        model.load.__wrapped__("tiny")


TINY = {
    "metadata": {"protocol": "query", "apiVersion": "2020-01-01"},
    "operations": {"Do": {"name": "Do", "http": {"method": "POST", "requestUri": "/"}}},
    "shapes": {},
}
