import base64
import json
from typing import Any

import botocore
import pytest

from kms.aws import model
from kms.aws.clock import utc
from kms.aws.errors import AWSError
from kms.aws.json_protocol import (
    EARLIEST_SECONDS,
    LATEST_SECONDS,
    compile_input,
    render,
    render_error,
    snake_case,
)
from kms.aws.wiping import WipingBytes


def test_names_are_botocores() -> None:
    for name in ("kms", "cloudtrail"):
        for shape in model.load(name).shapes.values():
            for member in shape.members:
                assert snake_case(member) == botocore.xform_name(member)


def test_signatures_must_be_the_models() -> None:
    def misspelt(request: object, *, key_id: str, limt: int) -> dict[str, Any]:
        return {"request": request, "key_id": key_id, "limt": limt}

    def incomplete(request: object) -> dict[str, Any]:
        return {"request": request}

    for handler in (misspelt, incomplete):
        with pytest.raises(TypeError, match="DescribeKey"):
            compile_input(model.load("kms"), "DescribeKey", handler)


def test_outputs() -> None:
    assert render({}) == b""
    assert render({"A": b"hi", "C": 1.5}) == b'{"A":"aGk=","C":1.5}'
    with pytest.raises(TypeError):
        render({"A": object()})


@pytest.mark.parametrize("length", [0, 1, 5, 6, 7, 32, 4_096])
def test_secrets_are_rendered_into_a_buffer_that_wipes_itself(length: int) -> None:
    secret = bytes(range(256)) * 16
    secret = secret[:length]
    encoded = base64.b64encode(secret).decode()
    for names in ("P", "APC", "PQ"):
        output: dict[str, Any] = {name: bytearray(secret) for name in names}
        if "A" in names:
            output |= {"A": b"hi", "C": 1.5}
        body = render(output)
        assert type(body) is WipingBytes
        assert json.loads(body) == {
            name: {"A": "aGk=", "C": 1.5}.get(name, encoded) for name in names
        }
        assert output["P"] == bytes(length)


def test_errors() -> None:
    assert render_error(AWSError("InvalidCiphertextException")) == (
        b'{"__type":"InvalidCiphertextException"}'
    )
    assert json.loads(render_error(AWSError("NotFoundException", "m")))["message"] == "m"
    for code in ("AccessDeniedException", "SerializationException"):
        assert json.loads(render_error(AWSError(code, "m")))["Message"] == "m"


def test_limits_that_a_handler_checks_itself() -> None:
    def lookup_events(
        request: object, *, max_results: int = 0, event_category: str = ""
    ) -> dict[str, Any]:
        return {"request": request, "a": max_results, "b": event_category}

    service = model.load("cloudtrail")
    bind = compile_input(
        service, "LookupEvents", lookup_events, unlimited=frozenset({"MaxResults"})
    )
    assert bind(b'{"MaxResults":51}') == {"max_results": 51}
    with pytest.raises(AWSError, match="ValidationException"):
        bind(b'{"EventCategory":"none"}')


def test_times_are_dates() -> None:
    """What policies and the audit trail could not write down is refused before they see it."""

    def lookup_events(request: object, *, end_time: float = 0) -> dict[str, Any]:
        return {"request": request, "end_time": end_time}

    bind = compile_input(model.load("cloudtrail"), "LookupEvents", lookup_events)
    for seconds in (EARLIEST_SECONDS, -1.5, 0, LATEST_SECONDS):
        assert bind(f'{{"EndTime":{seconds}}}'.encode()) == {"end_time": seconds}
        assert utc(seconds).year >= 1
    for text in (b"1e300", b"-1e300", b"253402300800", b"-62135596801", b"true", b'"x"'):
        with pytest.raises(AWSError, match="SerializationException"):
            bind(b'{"EndTime":%s}' % text)
