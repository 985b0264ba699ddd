"""boto3 over http and https: every checksum algorithm, every encryption, sizes at the seams."""

import hashlib
import io
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config

CHUNK = 128 * 1024
PART_MIN = 5 * 1024**2
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, PART_MIN + 1)
LARGE = 64 * 1024**2
ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
BUCKET = "round-trips"
PATTERN = hashlib.shake_256(b"round trips").digest(65_521)


def data_of(size: int) -> bytes:
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


@pytest.fixture(scope="module", params=["http", "https"])
def s3(request: pytest.FixtureRequest, server: Any) -> Iterator[Any]:
    options: dict[str, Any] = {}
    if request.param == "https":
        server = request.getfixturevalue("https")
        options["verify"] = str(request.getfixturevalue("certificate").certificate)
    client = server.client("s3", **options)
    client.create_bucket(Bucket=BUCKET)
    yield client
    client.close()


@pytest.fixture(params=["AES256", "aws:kms"])
def encryption(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"ServerSideEncryption": request.param}


def check(s3: Any, key: str, data: bytes, algorithm: str, encryption: dict[str, str]) -> None:
    """The object is there, whole; boto3 verifies the checksum as it reads."""
    got = s3.get_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    assert got["Body"].read() == data
    assert got[f"Checksum{algorithm}"]
    assert got["ContentLength"] == len(data)
    assert got["ServerSideEncryption"] == encryption["ServerSideEncryption"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_puts(s3: Any, algorithm: str, encryption: dict[str, str]) -> None:
    for size in SIZES:
        data = data_of(size)
        key = f"put/{algorithm}/{size}"
        # A stream, not bytes: over https boto3 then sends the checksum as a trailer.
        put = s3.put_object(
            Bucket=BUCKET,
            Key=key,
            Body=io.BytesIO(data),
            ChecksumAlgorithm=algorithm,
            **encryption,
        )
        assert put[f"Checksum{algorithm}"]
        is_md5 = put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
        assert is_md5 is (encryption["ServerSideEncryption"] == "AES256")
        check(s3, key, data, algorithm, encryption)


def upload(s3: Any, key: str, parts: list[bytes], algorithm: str, **members: str) -> Any:
    begun = s3.create_multipart_upload(
        Bucket=BUCKET, Key=key, ChecksumAlgorithm=algorithm, **members
    )
    named = {"Bucket": BUCKET, "Key": key, "UploadId": begun["UploadId"]}
    done = []
    for number, data in enumerate(parts, 1):
        part = s3.upload_part(
            **named, PartNumber=number, Body=io.BytesIO(data), ChecksumAlgorithm=algorithm
        )
        value = part[f"Checksum{algorithm}"]
        done.append({"PartNumber": number, "ETag": part["ETag"], f"Checksum{algorithm}": value})
    return s3.complete_multipart_upload(**named, MultipartUpload={"Parts": done})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_uploads_in_parts(s3: Any, algorithm: str, encryption: dict[str, str]) -> None:
    for size in SIZES:
        data = data_of(size)
        key = f"parts/{algorithm}/{size}"
        parts = [data[:PART_MIN], data[PART_MIN:]] if size > PART_MIN else [data]
        done = upload(s3, key, parts, algorithm, **encryption)
        assert done["ETag"].endswith(f'-{len(parts)}"')
        check(s3, key, data, algorithm, encryption)
        if size > PART_MIN:
            seam = f"bytes={PART_MIN - 2}-{PART_MIN}"
            got = s3.get_object(Bucket=BUCKET, Key=key, Range=seam)["Body"].read()
            assert got == data[PART_MIN - 2 : PART_MIN + 1]


@pytest.mark.parametrize("algorithm", ["SHA512", "XXHASH64", "XXHASH3", "XXHASH128"])
def test_newer_checksums(s3: Any, algorithm: str) -> None:
    encryption = {"ServerSideEncryption": "AES256"}
    data = data_of(PART_MIN + 1)
    s3.put_object(Bucket=BUCKET, Key=algorithm, Body=io.BytesIO(data), ChecksumAlgorithm=algorithm)
    check(s3, algorithm, data, algorithm, encryption)
    done = upload(s3, algorithm, [data[:PART_MIN], data[PART_MIN:]], algorithm)
    assert done[f"Checksum{algorithm}"].endswith("-2")
    check(s3, algorithm, data, algorithm, encryption)


@pytest.mark.parametrize(("algorithm", "mode"), [("CRC32", "AES256"), ("SHA256", "aws:kms")])
def test_large_objects(s3: Any, algorithm: str, mode: str) -> None:
    data = data_of(LARGE)
    encryption = {"ServerSideEncryption": mode}
    s3.put_object(
        Bucket=BUCKET,
        Key="large",
        Body=io.BytesIO(data),
        ChecksumAlgorithm=algorithm,
        **encryption,
    )
    check(s3, "large", data, algorithm, encryption)
    step = LARGE // 8
    parts = [data[at : at + step] for at in range(0, LARGE, step)]
    upload(s3, "large", parts, algorithm, **encryption)
    check(s3, "large", data, algorithm, encryption)
    s3.delete_object(Bucket=BUCKET, Key="large")


def test_https_carries_trailers(https: Any, certificate: Any) -> None:
    """What the round trips over https rely on: boto3 frames the body and trails the checksum."""
    client = https.client("s3", verify=str(certificate.certificate))
    seen: list[Any] = []
    client.meta.events.register("before-send.s3", lambda request, **_: seen.append(request))
    client.create_bucket(Bucket="trailers")
    client.put_object(Bucket="trailers", Key="k", Body=io.BytesIO(b"framed"))
    headers = {name.lower(): value for name, value in seen[-1].headers.items()}
    assert headers["x-amz-content-sha256"] == b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert headers["x-amz-trailer"] == b"x-amz-checksum-crc32"
    got = client.get_object(Bucket="trailers", Key="k")
    assert got["Body"].read() == b"framed"
    assert "ContentEncoding" not in got


def test_buckets_are_hosts_too(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def resolve_localhost(host: Any, *arguments: Any, **named: Any) -> Any:
        """Names under localhost are this machine (RFC 6761); not every resolver knows."""
        name = host.decode() if isinstance(host, bytes) else host
        return resolve("127.0.0.1" if name.endswith(".localhost") else host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_localhost)
    endpoint = server.endpoint.replace("127.0.0.1", "localhost")
    config = Config(s3={"addressing_style": "virtual"})
    client = server.client("s3", endpoint_url=endpoint, config=config)
    hosts: list[str] = []
    client.meta.events.register("before-send.s3", lambda request, **_: hosts.append(request.url))
    client.create_bucket(Bucket="a-host")
    client.put_object(Bucket="a-host", Key="a/b", Body=b"data")
    assert client.get_object(Bucket="a-host", Key="a/b")["Body"].read() == b"data"
    assert all("://a-host.localhost:" in url for url in hosts)


def test_sts_tells_who_asks(server: Any) -> None:
    identity = server.client("sts").get_caller_identity()
    assert identity["Account"] == "123456789012"
    assert identity["Arn"] == "arn:aws:iam::123456789012:root"


@pytest.mark.parametrize(
    "key",
    ["a+b %25/../c//d", "ü/\U0001f512", "a?b#c&d=e", "~!*'()", "trailing/", "./x", "%zz", '"<&>'],
)
def test_keys_are_bytes_that_nobody_normalises(server: Any, key: str) -> None:
    client = server.client("s3")
    client.create_bucket(Bucket="odd-keys")
    client.put_object(Bucket="odd-keys", Key=key, Body=key.encode())
    assert client.get_object(Bucket="odd-keys", Key=key)["Body"].read() == key.encode()
    listed = client.list_objects_v2(Bucket="odd-keys", Prefix=key)["Contents"]
    assert [entry["Key"] for entry in listed] == [key]
    client.copy_object(Bucket="odd-keys", Key="copy", CopySource={"Bucket": "odd-keys", "Key": key})
    assert client.get_object(Bucket="odd-keys", Key="copy")["Body"].read() == key.encode()
    client.delete_objects(Bucket="odd-keys", Delete={"Objects": [{"Key": key}, {"Key": "copy"}]})
    assert client.list_objects_v2(Bucket="odd-keys")["KeyCount"] == 0
