"""Large objects by boto3: each scheme, checksum algorithm and way in, under SSE-KMS.

Every object is random bytes of its own. It is read back whole, with boto3 verifying the checksum
that the server keeps, and in ranges across chunks and parts; no file of the data folder may hold a
piece of it. The exit status is 0 only if nothing is bad.
"""

import ipaddress
import os
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

sys.path.insert(0, str(Path(__file__).with_name("faults")))

from search import holds
from server import Server, client
from workplace import workplace

SCHEMES = ("http", "https")
ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
WAYS = ("PUT", "multipart")
BUCKET = "large-objects"
PART_BYTES = 12 << 20
CHUNK_BYTES = 1 << 17
PIECE_BYTES = 64


@dataclass(slots=True)
class Tally:
    cells: int = 0
    complaints: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"LARGE-OBJECTS cells={self.cells} bad={len(self.complaints)}"


def certify(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private


def put(s3: Any, place: dict[str, str], data: bytes, algorithm: str, key_arn: str) -> None:
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_arn}
    s3.put_object(**place, Body=data, ChecksumAlgorithm=algorithm, **encryption)


def put_in_parts(s3: Any, place: dict[str, str], data: bytes, algorithm: str, key_arn: str) -> None:
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_arn}
    begun = s3.create_multipart_upload(**place, ChecksumAlgorithm=algorithm, **encryption)
    named = {**place, "UploadId": begun["UploadId"]}
    parts = []
    for number, start in enumerate(range(0, len(data), PART_BYTES), 1):
        body = data[start : start + PART_BYTES]
        sent = s3.upload_part(**named, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
        checksum = f"Checksum{algorithm}"
        parts.append({"PartNumber": number, "ETag": sent["ETag"], checksum: sent[checksum]})
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})


PUTS = dict(zip(WAYS, (put, put_in_parts), strict=True))


def check(s3: Any, place: dict[str, str], data: bytes, algorithm: str) -> None:
    """Raise AssertionError, or what boto3 raises, unless everything comes back."""
    got = s3.get_object(**place, ChecksumMode="ENABLED")
    assert got["Body"].read() == data, "other bytes"
    assert got["ServerSideEncryption"] == "aws:kms", "not SSE-KMS"
    assert got[f"Checksum{algorithm}"], "no checksum"
    for middle in (CHUNK_BYTES, PART_BYTES, len(data) - CHUNK_BYTES):
        first, last = middle - CHUNK_BYTES // 2, middle + CHUNK_BYTES // 2
        part = s3.get_object(**place, Range=f"bytes={first}-{last}")["Body"].read()
        assert part == data[first : last + 1], f"other bytes from {first} to {last}"


def on_disk(data: Path, pieces: list[bytes]) -> bool:
    """Whether a piece of a plaintext is in any file."""
    return any(holds(path, pieces) for path in data.rglob("*") if path.is_file())


def run(scheme: str, folder: Path, size: int, tally: Tally) -> None:
    """The cells of a scheme."""
    certificate, private = certify(folder)
    data = folder / scheme
    secure = ("--tls-cert", str(certificate), "--tls-key", str(private))
    server = Server(data, 1, flags=secure if scheme == "https" else ())
    try:
        s3 = client(server.endpoint, "s3", certificate=certificate)
        kms = client(server.endpoint, "kms", certificate=certificate)
        key_arn = kms.create_key()["KeyMetadata"]["Arn"]
        s3.create_bucket(Bucket=BUCKET)
        for algorithm in ALGORITHMS:
            for way in WAYS:
                name = f"{scheme} {algorithm} {way}"
                tally.cells += 1
                body = os.urandom(size)
                place = {"Bucket": BUCKET, "Key": name}
                try:
                    PUTS[way](s3, place, body, algorithm, key_arn)
                    check(s3, place, body, algorithm)
                    pieces = [body[at : at + PIECE_BYTES] for at in (0, size // 2)]
                    assert not on_disk(data, pieces), "plaintext on disk"
                except (AssertionError, BotoCoreError, ClientError) as error:
                    tally.complaints.append(f"{name}: {error}")
                s3.delete_object(**place)
    finally:
        server.stop()


@click.command()
@click.option("--mebibytes", type=click.IntRange(16, 1024), default=64, show_default=True)
def main(mebibytes: int) -> None:
    """Put and get large objects in each cell; exit 0 if nothing is bad."""
    tally = Tally()
    for scheme in SCHEMES:
        with workplace("large-objects") as folder:
            run(scheme, folder, mebibytes << 20, tally)
    for complaint in tally.complaints:
        click.echo(complaint, err=True)
    click.echo(tally)
    sys.exit(1 if tally.complaints else 0)


if __name__ == "__main__":
    main()
