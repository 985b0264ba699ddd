"""AWS's published examples, and botocore's signers as the oracle.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

import hashlib

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from kms.aws import sigv4

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TIMESTAMP = "20130524T000000Z"
SCOPE = "20130524/us-east-1/s3/aws4_request"
KEY = sigv4.signing_key(SECRET, "20130524", "us-east-1", "s3")
HEAD = f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{SCOPE}"


def test_the_published_example_of_a_header_signature() -> None:
    value = (
        f"{HEAD},SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )
    authorization, signature = sigv4.parse_authorization(value)
    headers = {
        "host": "examplebucket.s3.amazonaws.com",
        "range": "bytes=0-9",
        "x-amz-content-sha256": sigv4.EMPTY_SHA256,
        "x-amz-date": TIMESTAMP,
    }
    canonical = sigv4.canonical_request(
        "GET",
        "/test.txt",
        "",
        headers,
        signed_headers=authorization.signed_headers,
        payload_hash=sigv4.EMPTY_SHA256,
    )
    text = sigv4.string_to_sign(TIMESTAMP, authorization.scope, canonical)
    assert authorization.access_key_id == ACCESS_KEY
    assert sigv4.sign(KEY, text) == signature


def sha256_of_chunk(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_the_published_example_of_chunk_signatures() -> None:
    seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    context = sigv4.SigningContext(KEY, SCOPE, TIMESTAMP, seed)
    first = context.chunk_signature(seed, sha256_of_chunk(b"a" * 65536))
    second = context.chunk_signature(first, sha256_of_chunk(b"a" * 1024))
    last = context.chunk_signature(second, sha256_of_chunk(b""))
    assert (first, second, last) == (
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    )


def test_the_published_example_of_a_trailer_signature() -> None:
    seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
    context = sigv4.SigningContext(KEY, SCOPE, TIMESTAMP, seed)
    signature = seed
    for data in (b"a" * 65536, b"a" * 1024, b""):
        signature = context.chunk_signature(signature, sha256_of_chunk(data))
    assert signature == "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"
    trailer = sha256_of_chunk(b"x-amz-checksum-crc32c:sOO8/Q==\n")
    assert context.trailer_signature(signature, trailer) == (
        "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
    )


def test_a_signing_context_hides_its_key() -> None:
    assert repr(KEY) not in repr(sigv4.SigningContext(KEY, SCOPE, TIMESTAMP, "seed"))


PATHS = ["/", "/b/k", "/b/a%20b", "/b//x/../y", "/b/%2F%25", "/b/%C3%A9", "/b/a+b~_-.", "/b/a:b"]
QUERIES = [
    ("", ""),
    ("acl", "acl="),
    ("uploads=&prefix=a%2Fb", "prefix=a%2Fb&uploads="),
    ("prefix=a+b", "prefix=a%20b"),
    ("prefix=a%2Bb", "prefix=a%2Bb"),
    ("prefix=a%2fb", "prefix=a%2Fb"),
    ("b=2&a=1&b=1&a=", "a=&a=1&b=1&b=2"),
    ("prefix=%C3%A9;x", "prefix=%C3%A9%3Bx"),
    ("a=b=c&&d", "a=b%3Dc&d="),
    ("X-Amz-Signature=abc&X-Amz-Date=1", "X-Amz-Date=1"),
    ("a-b=1&a=2", "a=2&a-b=1"),
]


@pytest.mark.parametrize(("raw", "canonical"), QUERIES)
def test_canonical_query(raw: str, canonical: str) -> None:
    assert sigv4.canonical_query(raw) == canonical


# SigV4Auth also removes dot segments and double slashes, which only S3's paths have.
@pytest.mark.parametrize(
    ("service", "path"),
    [("s3", path) for path in PATHS] + [("kms", path) for path in PATHS if "//" not in path],
)
def test_canonical_requests_agree_with_botocore(service: str, path: str) -> None:
    headers = {
        "X-Amz-Meta-100%S": " a   b %s",
        "Content-Type": "text/plain",
        "Host": "localhost:9000",
    }
    request = AWSRequest("PUT", f"http://localhost:9000{path}?b=2&a=%20", headers=headers, data="x")
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    auth = signer(Credentials(ACCESS_KEY, SECRET), service, "us-east-1")
    auth.add_auth(request)
    raw = [(name.encode(), value.encode()) for name, value in request.headers.items()]
    collected = sigv4.collect_headers(raw)
    authorization, signature = sigv4.parse_authorization(collected["authorization"])
    canonical = sigv4.canonical_request(
        "PUT",
        sigv4.canonical_path(path, service),
        sigv4.canonical_query("b=2&a=%20"),
        collected,
        signed_headers=authorization.signed_headers,
        payload_hash=hashlib.sha256(b"x").hexdigest(),
    )
    text = sigv4.string_to_sign(collected["x-amz-date"], authorization.scope, canonical)
    key = sigv4.signing_key(SECRET, authorization.scope.date, "us-east-1", service)
    assert sigv4.sign(key, text) == signature


def test_repeated_headers_are_joined_and_bytes_survive() -> None:
    raw = [(b"X-Amz-Meta-A", b" 1 "), (b"x-amz-meta-a", b"2"), (b"x-amz-meta-b", b"\xc3\xa0 ")]
    headers = sigv4.collect_headers(raw)
    assert headers["x-amz-meta-a"] == "1,2"
    canonical = sigv4.canonical_request(
        "GET", "/", "", headers, signed_headers=("x-amz-meta-b",), payload_hash="h"
    )
    assert canonical.encode("latin-1").split(b"\n")[3] == b"x-amz-meta-b:\xc3\xa0"


MALFORMED = [
    ("", "exactly one Signature"),
    ("AWS4-HMAC-SHA1 Credential=a, SignedHeaders=host, Signature=a", "algorithm"),
    ("AWS4-HMAC-SHA256", "Signature"),
    (f"{HEAD}, Signature=a", "expecting Credential"),
    (f"{HEAD}, SignedHeaders=host", "Signature"),
    (f"{HEAD}, SignedHeaders=host, Signature=a, Signature=b", "expecting Credential"),
    (f"{HEAD}, Credential=x, SignedHeaders=host, Signature=a", "more than once"),
    (f"{HEAD}, Extra=1, SignedHeaders=host, Signature=a", "expecting Credential"),
    (f"{HEAD}, SignedHeaders=host;host, Signature=a", "SignedHeaders is mal-formed"),
    (f"{HEAD}, SignedHeaders={'h' * 4_097}, Signature=a", "SignedHeaders is mal-formed"),
    (f"{HEAD.replace('us-east-1', 'r' * 500)}, SignedHeaders=host, Signature=a", "mal-formed"),
    (f"{HEAD}, SignedHeaders=, Signature=a", "SignedHeaders is mal-formed"),
    (f"{HEAD}, SignedHeaders=Host, Signature=a", "lower case"),
    ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=a", "expecting"),
    (f"{HEAD.replace('20130524', '2013-5-4')}, SignedHeaders=host, Signature=a", "date format"),
    (f"{HEAD.replace('aws4_request', 'aws5')}, SignedHeaders=host, Signature=a", "terminal"),
    (f"{HEAD.replace(ACCESS_KEY, '')}, SignedHeaders=host, Signature=a", "AKID"),
    (f"{HEAD.replace('us-east-1', '')}, SignedHeaders=host, Signature=a", "region"),
]


@pytest.mark.parametrize(("value", "text"), MALFORMED)
def test_malformed_authorization(value: str, text: str) -> None:
    with pytest.raises(sigv4.FormatError, match=text):
        sigv4.parse_authorization(value)


def test_the_parts_come_in_any_order() -> None:
    credential = HEAD.partition(" ")[2]
    value = f"AWS4-HMAC-SHA256 Signature=abc, SignedHeaders=host, {credential}"
    authorization, signature = sigv4.parse_authorization(value)
    assert (authorization.access_key_id, signature) == (ACCESS_KEY, "abc")
    assert authorization.scope.text == SCOPE


@pytest.mark.parametrize(
    ("headers", "timestamp"),
    [
        ({"x-amz-date": TIMESTAMP, "date": "x"}, TIMESTAMP),
        ({"date": TIMESTAMP}, TIMESTAMP),
        ({"date": "Fri, 24 May 2013 00:00:00 GMT"}, TIMESTAMP),
        ({"date": "Fri, 24 May 2013 02:00:00 +0200"}, TIMESTAMP),
    ],
)
def test_dates(headers: dict[str, str], timestamp: str) -> None:
    assert sigv4.timestamp_of(headers) == timestamp
    assert sigv4.seconds_of(timestamp) == 1369353600


@pytest.mark.parametrize(
    "text", ["", "yesterday", "20131301T000000Z", "20130524T0000001", "2013052aT000000Z"]
)
def test_dates_that_are_none(text: str) -> None:
    with pytest.raises(sigv4.FormatError):
        sigv4.timestamp_of({"x-amz-date": text})


def test_queries_are_bounded() -> None:
    with pytest.raises(sigv4.FormatError):
        sigv4.canonical_query("&".join(["a"] * 1001))
