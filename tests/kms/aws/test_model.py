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
