"""The table of exceptions names only what the model has."""

from kms.aws.model import ServiceModel
from objstore.errors import CATALOGUE
from objstore.wire import quirks


def test_operations_exist(s3: ServiceModel) -> None:
    named = {
        *quirks.ROOTS,
        *quirks.STATUSES,
        *quirks.EMBEDDING,
        *quirks.UNROUTED,
        *quirks.TAKES_BUCKET,
        *quirks.TEXT_DOCUMENTS,
        *quirks.BODY_BYTES_MAX_OF,
        *quirks.LIST_ITEMS_MAX_OF,
    }
    assert named <= s3.operations.keys()
    assert s3.shapes.keys() >= quirks.OPEN_ENUMS
    assert s3.operations.keys() >= quirks.OPEN_DOCUMENTS
    for name, first in quirks.FIRST_ELEMENTS.items():
        assert s3.shape(str(s3.operations[name].output)).members.keys() >= set(first)


def test_operations_of_our_own_are_not_in_the_model(s3: ServiceModel) -> None:
    assert not {quirks.FORM_UPLOAD, quirks.PREFLIGHT} & s3.operations.keys()


def test_wire_names_and_codes_exist(s3: ServiceModel) -> None:
    wire_names = {
        member.wire_name.lower()
        for shape in s3.shapes.values()
        for member in shape.members.values()
    }
    named = {*quirks.ENUM_ERRORS, *quirks.INTEGER_MESSAGES, *quirks.LENIENT_DATES}
    named |= quirks.OPEN_HEADERS | quirks.NEVER_EMPTY
    assert {name.lower() for name in named} <= wire_names
    assert {code for code, _ in quirks.ENUM_ERRORS.values()} <= CATALOGUE.keys()


def test_statuses() -> None:
    assert quirks.status_of("GetObject", 200, {"ContentRange": "bytes 0-0/1"}) == 206
    assert quirks.status_of("GetObject", 200, {}) == 200
    assert quirks.status_of("PutObject", 200, {"StatusCode": 201}) == 201
    assert quirks.status_of("PutBucketPolicy", 200, {}) == 204
    assert quirks.status_of("DeleteObject", 204, {}) == 204
