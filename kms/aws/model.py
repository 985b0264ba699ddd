"""Reads botocore's service descriptions (`service-2.json`) into frozen values.

botocore ships the machine-readable definition of every AWS API; only the data files are used
here, so neither botocore's classes nor its start-up cost come along. Shapes are resolved eagerly
and may be recursive, so members hold shape names and `ServiceModel.shape` finds them.
"""

import gzip
import importlib.util
from collections.abc import Mapping
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from kms.aws.values import value_class


@value_class(frozen=True, slots=True)
class Member:
    """A structure's member. `wire_name` is its name on the wire (`locationName`)."""

    name: str
    shape: str
    wire_name: str
    location: str | None  # "header" | "headers" | "querystring" | "uri" | "statusCode" | None
    flattened: bool
    xml_attribute: bool
    streaming: bool
    timestamp_format: str | None
    namespace: Mapping[str, str] | None


@value_class(frozen=True, slots=True)
class Shape:
    """A type of the model. Unused attributes are None or empty for its `type`."""

    name: str
    type: str  # structure list map string integer long float double boolean blob timestamp
    members: Mapping[str, Member]
    required: frozenset[str]
    payload: str | None
    element: Member | None  # of a list
    map_key: Member | None
    map_value: Member | None
    enum: tuple[str, ...]
    minimum: int | None
    maximum: int | None
    pattern: str | None
    sensitive: bool
    flattened: bool
    timestamp_format: str | None
    streaming: bool
    event_stream: bool
    namespace: Mapping[str, str] | None
    error_code: str | None
    error_status: int | None


@value_class(frozen=True, slots=True)
class Operation:
    """An operation: its name, HTTP binding and shapes' names."""

    name: str
    method: str
    uri: str
    status: int
    input: str | None
    output: str | None
    input_root: str | None  # root element of the input document, if the model names one
    input_namespace: str | None
    errors: tuple[str, ...]
    deprecated: bool
    checksum_required: bool


@value_class(frozen=True, slots=True)
class ServiceModel:
    """A whole API."""

    name: str
    protocol: str
    api_version: str
    target_prefix: str
    operations: Mapping[str, Operation]
    shapes: Mapping[str, Shape] = field(repr=False)

    def shape(self, name: str) -> Shape:
        return self.shapes[name]


@cache
def load(service: str) -> ServiceModel:
    """The newest model of `service` ("s3", "kms", "sts" …). Raises FileNotFoundError."""
    spec = importlib.util.find_spec("botocore")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("botocore is not installed")
    folder = Path(spec.submodule_search_locations[0], "data", service)
    version = max(path.name for path in folder.iterdir() if path.is_dir())
    packed = folder / version / "service-2.json.gz"
    if packed.exists():
        document = orjson.loads(gzip.decompress(packed.read_bytes()))
    else:
        document = orjson.loads((folder / version / "service-2.json").read_bytes())
    return parse(service, document)


def parse(service: str, document: Mapping[str, Any]) -> ServiceModel:
    """A `ServiceModel` from the JSON document of a `service-2.json`."""
    metadata = document["metadata"]
    shapes = {name: _shape(name, body) for name, body in document["shapes"].items()}
    return ServiceModel(
        name=service,
        protocol=metadata["protocol"],
        api_version=metadata["apiVersion"],
        target_prefix=metadata.get("targetPrefix", ""),
        operations={name: _operation(name, body) for name, body in document["operations"].items()},
        shapes=shapes,
    )


def _operation(name: str, body: Mapping[str, Any]) -> Operation:
    http = body.get("http", {})
    source = body.get("input", {})
    checksum = body.get("httpChecksum", {})
    return Operation(
        name=name,
        method=http.get("method", "POST"),
        uri=http.get("requestUri", "/"),
        status=http.get("responseCode", 200),
        input=source.get("shape"),
        output=body.get("output", {}).get("shape"),
        input_root=source.get("locationName"),
        input_namespace=source.get("xmlNamespace", {}).get("uri"),
        errors=tuple(error["shape"] for error in body.get("errors", ())),
        deprecated=body.get("deprecated", False),
        checksum_required=bool(
            checksum.get("requestChecksumRequired") or body.get("httpChecksumRequired")
        ),
    )


def _member(name: str, body: Mapping[str, Any]) -> Member:
    return Member(
        name=name,
        shape=body["shape"],
        wire_name=body.get("locationName", name),
        location=body.get("location"),
        flattened=body.get("flattened", False),
        xml_attribute=body.get("xmlAttribute", False),
        streaming=body.get("streaming", False),
        timestamp_format=body.get("timestampFormat"),
        namespace=body.get("xmlNamespace"),
    )


def _shape(name: str, body: Mapping[str, Any]) -> Shape:
    error = body.get("error", {})
    return Shape(
        name=name,
        type=body["type"],
        members={key: _member(key, value) for key, value in body.get("members", {}).items()},
        required=frozenset(body.get("required", ())),
        payload=body.get("payload"),
        element=_member("member", body["member"]) if "member" in body else None,
        map_key=_member("key", body["key"]) if "key" in body else None,
        map_value=_member("value", body["value"]) if "value" in body else None,
        enum=tuple(body.get("enum", ())),
        minimum=body.get("min"),
        maximum=body.get("max"),
        pattern=body.get("pattern"),
        sensitive=body.get("sensitive", False),
        flattened=body.get("flattened", False),
        timestamp_format=body.get("timestampFormat"),
        streaming=body.get("streaming", False),
        event_stream=body.get("eventstream", False),
        namespace=body.get("xmlNamespace"),
        error_code=error.get("code"),
        error_status=error.get("httpStatusCode"),
    )
