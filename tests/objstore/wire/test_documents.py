"""Reading request documents against the model."""

import pytest

from kms.aws.model import ServiceModel
from objstore.errors import S3Error
from objstore.wire.documents import DocumentReader
from objstore.wire.xml import parse_document


def read(model: ServiceModel, shape: str, document: str, items_max: int = 3) -> object:
    root = document[1:].split(">")[0].split(" ")[0].rstrip("/")
    reader = DocumentReader(model, items_max=items_max).reader(model.shape(shape))
    return reader(parse_document(document.encode(), (root,), bytes_max=10_000))


@pytest.mark.parametrize(
    ("shape", "document", "value"),
    [
        (
            "Delete",
            "<Delete><Object><Key>a</Key></Object><Object><Key/></Object>"
            "<Quiet>true</Quiet></Delete>",
            {"Objects": [{"Key": "a"}, {"Key": ""}], "Quiet": True},
        ),
        (
            "Tagging",
            "<Tagging><TagSet><Tag><Key>k</Key><Value> v </Value></Tag></TagSet></Tagging>",
            {"TagSet": [{"Key": "k", "Value": " v "}]},
        ),
        ("Tagging", "<Tagging><TagSet/></Tagging>", {"TagSet": []}),
        (
            "Grant",
            '<Grant xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            '<Grantee xsi:type="Group"><URI>u</URI></Grantee></Grant>',
            {"Grantee": {"Type": "Group", "URI": "u"}},
        ),
        (
            "CreateBucketConfiguration",
            "<C><LocationConstraint>nowhere</LocationConstraint></C>",
            {"LocationConstraint": "nowhere"},
        ),
        ("VersioningConfiguration", "<V/>", {}),
        ("ObjectEncryption", "<O><SSE-C/><SSE-KMS/></O>", {"SSE-C": None, "SSEKMS": {}}),
        (
            "ObjectEncryption",
            "<O><SSE-KMS><KMSKeyArn>a</KMSKeyArn><BucketKeyEnabled>maybe</BucketKeyEnabled>"
            "</SSE-KMS></O>",
            {"SSEKMS": {"KMSKeyArn": "a", "BucketKeyEnabled": "maybe"}},
        ),
    ],
)
def test_documents(s3: ServiceModel, shape: str, document: str, value: object) -> None:
    assert read(s3, shape, document) == value


TAG = "<Tag><Key>k</Key><Value>v</Value></Tag>"


@pytest.mark.parametrize(
    ("shape", "document"),
    [
        ("Delete", "<Delete/>"),
        ("Delete", "<Delete><Object/></Delete>"),
        ("Delete", "<Delete>" + "<Object><Key>a</Key></Object>" * 4 + "</Delete>"),
        ("Tagging", f"<Tagging><TagSet>{TAG * 4}</TagSet></Tagging>"),
        ("Tagging", "<Tagging><TagSet/><TagSet/></Tagging>"),
        ("Tagging", f"<Tagging><TagSet>{TAG}<X/></TagSet></Tagging>"),
        ("Tagging", "<Tagging><TagSet/><X/></Tagging>"),
        ("Grant", "<Grant><Grantee><URI>u</URI></Grantee></Grant>"),
        ("VersioningConfiguration", "<V><Status>enabled</Status></V>"),
        ("VersioningConfiguration", "<V><Status><b/></Status></V>"),
        ("CompletedPart", "<Part><PartNumber>one</PartNumber></Part>"),
        ("Delete", "<Delete><Object><Key>a</Key></Object><Quiet>maybe</Quiet></Delete>"),
    ],
)
def test_documents_that_do_not_fit(s3: ServiceModel, shape: str, document: str) -> None:
    with pytest.raises(S3Error, match="MalformedXML"):
        read(s3, shape, document)


def test_open_documents_may_have_more(s3: ServiceModel) -> None:
    reader = DocumentReader(s3, items_max=1, open=True).reader(s3.shape("Tagging"))
    document = f"<Tagging><X/><TagSet>{TAG}<X/></TagSet></Tagging>".encode()
    value = reader(parse_document(document, ("Tagging",), bytes_max=1000))
    assert value == {"TagSet": [{"Key": "k", "Value": "v"}]}
