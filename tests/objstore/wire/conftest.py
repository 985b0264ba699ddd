"""Values that fill every member of a shape, for round trips through botocore."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kms.aws.model import Member, ServiceModel, load

MOMENT = datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC)
Fill = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="session")
def s3() -> ServiceModel:
    return load("s3")


@pytest.fixture(scope="session")
def fill(s3: ServiceModel) -> Fill:
    """A function from a structure's name to a value with every member of it."""

    def of_member(member: Member) -> Any:
        shape = s3.shape(member.shape)
        if member.name == "Expires":  # text to the model and to S3, but botocore wants a date
            return "Thu, 29 Feb 2024 23:59:58 GMT"
        if shape.type == "structure":
            return structure(shape.name)
        if shape.type == "list":
            assert shape.element is not None
            return [of_member(shape.element), of_member(shape.element)]
        if shape.type == "map":
            return {"colour": "blau", "size": "3"}
        if shape.type == "string":
            text = shape.enum[-1] if shape.enum else f"{member.name} <&> ü\"'+%2F/ \t"
            return text if member.location not in ("header", "uri") else text.split(" ")[0]
        return {
            "integer": 7,
            "long": 2**40,
            "boolean": True,
            "timestamp": MOMENT,
            "blob": b"blob",
        }[shape.type]

    def structure(name: str) -> dict[str, Any]:
        return {key: of_member(member) for key, member in s3.shape(name).members.items()}

    return structure
