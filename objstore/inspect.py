"""What lies on disk for one object, and whether all of it verifies: `objstore inspect`.

For people who want to see envelope encryption: blob and header, the wrapped data key, its KMS key
and encryption context, some ciphertext. Plaintext is opened to verify it and never shown. The data
key comes from the KMS only, through `DataKeys`, or from the customer's key, so who may not decrypt
sees no more than the disk.
"""

from dataclasses import dataclass, field

from kms.aws import arn
from kms.aws.errors import AWSError
from kms.aws.identity import Caller, Principal, PrincipalKind
from objstore.crypt.customer_keys import NO_CUSTOMER_KEY, CustomerKeyHeaders
from objstore.crypt.data_keys import DataKeys
from objstore.crypt.frames import HEADER_LENGTH, Header, TamperedError, wipe
from objstore.crypt.layers import BlobOpener
from objstore.crypt.manifest import BUCKET_KEY, Manifest, Mode, PartEntry, decode, verify
from objstore.crypt.wrapped import split
from objstore.storage.blobs import blob_path
from objstore.storage.records import INLINE, BlobRef, Bucket, StoredObject, StoreError
from objstore.storage.store import Store
from objstore.transfer.source import check_place

CIPHERTEXT_BYTES_SHOWN = 64
BLOBS_SHOWN_MAX = 8
BATCH_BYTES = 1 << 20
LINE_BYTES = 16
ENCRYPTIONS = {
    Mode.SSE_S3: "AES256 (SSE-S3)",
    Mode.SSE_KMS: "aws:kms (SSE-KMS)",
    Mode.DSSE_KMS: "aws:kms:dsse (DSSE-KMS): two layers, two keys",
    Mode.SSE_C: "AES256 (SSE-C)",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was verified, or why it could not be."""

    what: str
    verified: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BlobReport:
    """One blob: where it lies, its header (None if it is none), the first ciphertext bytes."""

    part: int
    ref: BlobRef
    place: str
    header: Header | None
    ciphertext: bytes


@dataclass(slots=True)
class Report:
    """What was found for one object version. `blobs` are the first few; `checks` are of all."""

    bucket: str
    key: str
    stored: StoredObject
    manifest: Manifest | None = None
    blobs: list[BlobReport] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    @property
    def verified(self) -> bool:
        return all(check.verified for check in self.checks)


async def inspect_object(
    store: Store,
    data_keys: DataKeys,
    *,
    bucket: str,
    key: str,
    customer: CustomerKeyHeaders = NO_CUSTOMER_KEY,
) -> tuple[str, bool]:
    """The report on an object as text, and whether everything in it verified.

    The KMS is asked as the root of the bucket's account; `customer` is for SSE-C. Blocks the
    loop (the KMS belongs to its thread), so this is for a command of its own, not for a server.
    """
    found = store.bucket(bucket)
    if found is None:
        return f"there is no bucket {bucket}", False
    stored = store.object(found.bucket_id, key.encode(errors="surrogateescape"))
    if stored is None or stored.delete_marker:
        return f"there is no object {key} in the bucket {bucket}", False
    caller = account_root(found)
    report = inspect(
        store, data_keys, caller=caller, bucket=found, key=key, stored=stored, customer=customer
    )
    return render(report), report.verified


def account_root(bucket: Bucket) -> Caller:
    """The root of the account that owns a bucket, as a caller."""
    principal = Principal(
        PrincipalKind.ROOT, bucket.account, arn.account_root(bucket.account), bucket.account
    )
    return Caller(principal, "", bucket.region, "inspect")


def inspect(
    store: Store,
    data_keys: DataKeys,
    *,
    caller: Caller,
    bucket: Bucket,
    key: str,
    stored: StoredObject,
    customer: CustomerKeyHeaders = NO_CUSTOMER_KEY,
) -> Report:
    """Look at everything that an object version consists of. Blocking.

    The KMS is asked as `caller`; without the key, what needs it counts as not verified.
    """
    report = Report(bucket.name, key, stored)
    try:
        manifest = report.manifest = decode(stored.manifest)
    except TamperedError as error:
        report.checks.append(Check("manifest", False, str(error)))
        return report
    absent = [None] * (len(manifest.parts) - len(stored.blobs))
    parts = list(zip(manifest.parts, (*stored.blobs, *absent), strict=False))
    for part, ref in parts[:BLOBS_SHOWN_MAX]:
        if ref is not None:
            report.blobs.append(_look(store, part, ref))
    data_key = _open_key(report, data_keys, caller, bucket, manifest, customer)
    if data_key is None:
        return report
    try:
        report.checks.append(_check_manifest(data_key, stored, manifest))
        for part, ref in parts:
            report.checks.append(_check_blob(store, data_key, part, ref))
    finally:
        wipe(data_key)
    return report


def render(report: Report) -> str:
    """The report as text, a fact a line; what a terminal could take for commands is escaped."""
    stored, manifest = report.stored, report.manifest
    lines = [
        f"s3://{report.bucket}/{report.key}",
        f"  version            {stored.version_id}",
        f"  size               {stored.size} bytes",
    ]
    if manifest is not None:
        lines += _manifest_lines(stored, manifest)
    for blob in report.blobs:
        lines += ["", *_blob_lines(blob)]
    if manifest is not None and len(manifest.parts) > len(report.blobs):
        lines += ["", f"and {len(manifest.parts) - len(report.blobs)} more parts"]
    lines.append("")
    for check in report.checks:
        mark, reason = ("ok    ", "") if check.verified else ("FAILED", f": {check.detail}")
        lines.append(f"{mark} {check.what}{reason}")
    return "\n".join(map(_printable, lines))


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in line)


def _open_key(
    report: Report,
    data_keys: DataKeys,
    caller: Caller,
    bucket: Bucket,
    manifest: Manifest,
    customer: CustomerKeyHeaders,
) -> bytearray | None:
    by = "the customer's key" if manifest.mode is Mode.SSE_C else "the KMS"
    what = f"data key, unwrapped by {by}"
    try:
        data_key = data_keys.open(
            caller, manifest, bucket=bucket, key=manifest.key, customer=customer
        )
    except (AWSError, TamperedError) as error:
        report.checks.append(Check(what, False, str(error)))
        return None
    report.checks.append(Check(what, True))
    return data_key


def _check_manifest(data_key: bytearray, stored: StoredObject, manifest: Manifest) -> Check:
    what = "manifest: its MAC, and that it lies in its own row"
    try:
        verify(data_key, stored.manifest, stored.mac)
    except TamperedError as error:
        return Check(what, False, str(error))
    try:
        check_place(stored, manifest)
    except TamperedError:
        return Check(what, False, "it is the manifest of another row")
    return Check(what, True)


def _check_blob(store: Store, data_key: bytearray, part: PartEntry, ref: BlobRef | None) -> Check:
    what = f"blob {part.blob_id.hex()}: commitment, size and every chunk"
    if ref is None:
        return Check(what, False, "the row has no such blob")
    try:
        chunks = _open_chunks(store, data_key, part, ref)
    except TamperedError as error:
        return Check(what, False, str(error))
    except StoreError as error:
        return Check(what, False, type(error).__name__)
    return Check(f"{what} ({chunks})", True)


def _open_chunks(store: Store, data_key: bytearray, part: PartEntry, ref: BlobRef) -> int:
    """Open every chunk and forget it; how many there are. Raises TamperedError, StoreError."""
    with store.open_blob(ref) as reader:

        def read(offset: int, length: int) -> bytearray:
            buffer = bytearray(length)
            reader.read_into(buffer, offset)
            return buffer

        opener = BlobOpener(
            data_key,
            read,
            blob_id=part.blob_id,
            size=reader.size,
            plaintext_length=part.length,
            commitment=part.commitment,
        )
        step = max(BATCH_BYTES, opener.chunk_length)
        for start in range(0, max(part.length, 1), step):
            located = opener.locate(start, min(start + step, part.length))
            opener.open(located, read(located.offset, located.length))
        return max(1, -(-part.length // opener.chunk_length))


def _look(store: Store, part: PartEntry, ref: BlobRef) -> BlobReport:
    """Read the beginning of a blob, without any key."""
    inline = ref.directory == INLINE
    place = "in the index" if inline else blob_path(store.folder, ref.directory, ref.blob_id)
    header: Header | None = None
    start = bytearray()
    try:
        with store.open_blob(ref) as reader:
            start = bytearray(min(HEADER_LENGTH + CIPHERTEXT_BYTES_SHOWN, reader.size))
            reader.read_into(start, 0)
        header = Header.parse(bytes(start[:HEADER_LENGTH]))
    except TamperedError:
        place += " (its header is damaged)"
    except StoreError as error:
        place += f" ({type(error).__name__})"
    return BlobReport(part.number, ref, place, header, bytes(start[HEADER_LENGTH:]))


def _manifest_lines(stored: StoredObject, manifest: Manifest) -> list[str]:
    lines = [
        f"  ETag               {manifest.etag}",
        f"  encryption         {ENCRYPTIONS[manifest.mode]}",
        *_key_lines(manifest),
    ]
    for name, value in sorted(manifest.context.items()):
        lines.append(f"  context            {name} = {value}")
    lines.append(f"  wrapped data key   {len(manifest.wrapped_key)} bytes")
    lines += _hex_lines(manifest.wrapped_key)
    lines.append(f"  manifest           {len(stored.manifest)} bytes, MAC {stored.mac.hex()}")
    return lines


def _key_lines(manifest: Manifest) -> list[str]:
    """What wraps the data key."""
    if manifest.mode is Mode.SSE_C:
        return ["  wrapped by         the customer's key, which is not kept"]
    if manifest.mode is Mode.SSE_S3:
        return ["  KMS key            the key that S3 owns"]
    lines = [f"  KMS key            {manifest.kms_key_arn}"]
    if manifest.mode is Mode.DSSE_KMS:
        lines.append("  outer layer        under the key that S3 owns")
    if manifest.flags & BUCKET_KEY:
        bucket_key, _ = split(manifest.wrapped_key)
        lines.append(
            f"  bucket key         wrapped, {len(bucket_key)} bytes; it wraps the data key"
        )
    return lines


def _blob_lines(blob: BlobReport) -> list[str]:
    lines = [
        f"part {blob.part}: blob {blob.ref.blob_id.hex()}, {blob.ref.size} bytes",
        f"  place              {blob.place}",
    ]
    if blob.header is None:
        return lines
    lines += [
        f"  plaintext          {blob.header.plaintext_length} bytes",
        f"  chunks             of {1 << blob.header.chunk_log2} bytes",
        f"  salt               {blob.header.salt.hex()}",
        f"  key commitment     {blob.header.commitment.hex()}",
        "  ciphertext         begins",
    ]
    return lines + _hex_lines(blob.ciphertext)


def _hex_lines(data: bytes) -> list[str]:
    """A hex dump: offset, bytes, and what of them is printable."""
    lines = []
    for at in range(0, len(data), LINE_BYTES):
        row = data[at : at + LINE_BYTES]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"    {at:04x}  {row.hex(' '):<47}  {text}")
    return lines
