"""An S3 in process, without the wire: a real store, a real KMS, handlers called as functions."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from kms.aws.arn import account_root
from kms.aws.audit import MemorySink
from kms.aws.clock import FixedClock
from kms.aws.identity import Caller, Principal, PrincipalKind
from kms.client import KMS, RootSettings, open_kms
from objstore.account.directory import Directory
from objstore.authenticate import Authenticated, PayloadMode
from objstore.call import Call, Reply, Services, Trace
from objstore.crypt.data_keys import DataKeys
from objstore.crypt.sse import EncryptionHeaders
from objstore.operations import OPERATIONS
from objstore.payload import Payload
from objstore.settings import Settings
from objstore.storage.records import Bucket
from objstore.storage.store import Store, create_folder
from objstore.tokens import TOKEN_KEY_BYTES, Tokens

ACCOUNT = "123456789012"
PIECE_BYTES = 64 * 1024
SSE_KMS = EncryptionHeaders(server_side_encryption="aws:kms")


def caller_of(account: str, region: str = "us-east-1") -> Caller:
    principal = Principal(PrincipalKind.ROOT, account, account_root(account), account)
    return Caller(principal, "AKIATEST", region, "0123456789ABCDEF")


def payload_of(data: bytes, headers: dict[str, str] | None = None) -> Payload:
    """A request body as ASGI delivers it."""
    pieces = [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)] or [b""]

    async def receive() -> MutableMapping[str, Any]:
        body = pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(pieces)}

    unsigned = Authenticated(None, "us-east-1", PayloadMode.UNSIGNED, None, None)
    return Payload(receive, unsigned, {"content-length": str(len(data)), **(headers or {})})


class S3:
    """Calls handlers by their AWS names on one bucket, as the root of the account."""

    caller_of = staticmethod(caller_of)

    def __init__(
        self, store: Store, kms: KMS, clock: FixedClock, folder: Path, audit: MemorySink
    ) -> None:
        self.audit = audit
        self.store = store
        self.kms = kms
        self.clock = clock
        self.folder = folder
        directory = Directory()
        self.services = Services(
            store,
            DataKeys(kms, insecure_customer_keys=True),
            clock,
            Settings(data=folder),
            directory.account,
            Tokens(bytes(TOKEN_KEY_BYTES)),
            directory.account_of,
        )
        self.caller = caller_of(ACCOUNT)
        self.bucket: Bucket | None = None
        self.trace = Trace(enabled=True)
        self.authorized: list[tuple[str, str, str]] = []
        self.refuse: Callable[[str, str], Exception | None] = lambda action, key: None

    def _authorize(
        self, action: str, bucket: Bucket | None, key: str, version_id: str | None = None
    ) -> None:
        del version_id
        self.authorized.append((action, bucket.name if bucket else "", key))
        error = self.refuse(action, key)
        if error is not None:
            raise error

    async def call(self, operation: str, **members: Any) -> Reply:
        self.trace = Trace(enabled=True)
        call = Call(self.caller, self.services, self._authorize, self.bucket, self.trace)
        return await OPERATIONS[operation](call, **members)

    async def make_bucket(self, name: str) -> Bucket:
        await self.call("CreateBucket", bucket=name)
        bucket = self.store.bucket(name)
        assert bucket is not None
        return bucket

    async def put(self, key: str, data: bytes, **members: Any) -> Reply:
        return await self.call("PutObject", key=key, body=payload_of(data), **members)

    async def get(self, key: str, **members: Any) -> tuple[Reply, bytes]:
        reply = await self.call("GetObject", key=key, **members)
        return reply, await bytes_of(reply["Body"])

    async def begin(self, key: str, **members: Any) -> str:
        """Begin a multipart upload; returns its id."""
        reply = await self.call("CreateMultipartUpload", key=key, **members)
        return str(reply["UploadId"])

    async def part(self, key: str, upload_id: str, number: int, data: bytes, **more: Any) -> Reply:
        members = {"upload_id": upload_id, "part_number": number, "body": payload_of(data)}
        return await self.call("UploadPart", key=key, **members, **more)

    async def complete(
        self, key: str, upload_id: str, parts: Mapping[int, str | Reply], **members: Any
    ) -> Reply:
        """Complete an upload with `parts`, in the order given: their ETags, or all there is."""
        entries = {
            number: {"ETag": part} if isinstance(part, str) else part
            for number, part in parts.items()
        }
        document = {"Parts": [{"PartNumber": number, **entry} for number, entry in entries.items()]}
        return await self.call(
            "CompleteMultipartUpload",
            key=key,
            upload_id=upload_id,
            multipart_upload=document,
            **members,
        )

    def kms_events(self) -> list[str]:
        """The names of the calls that the KMS has recorded; they are forgotten."""
        names = [event["eventName"] for event in self.audit.events]
        self.audit.events.clear()
        return names

    def make_key(self) -> str:
        """A new KMS key's ARN."""
        body = self.kms_call("CreateKey")
        return str(body["KeyMetadata"]["Arn"])

    def kms_call(self, operation: str, **members: Any) -> Any:
        """A call of the KMS's own API by the root of the account, which leaves no event here."""
        root = caller_of(ACCOUNT)
        body = json.dumps(members).encode()
        status, document = self.kms.handle(f"TrentService.{operation}", body, root)
        assert status == 200, bytes(document)
        self.audit.events.pop()
        return json.loads(bytes(document)) if document else {}

    def blob_files(self) -> list[Path]:
        """The files of all sealed blobs."""
        return [path for path in (self.folder / "blobs").rglob("*") if path.is_file()]

    def speak_for(self, account: str, region: str = "us-east-1") -> None:
        """Make later calls as the root of another account or in another region."""
        self.caller = caller_of(account, region)


async def bytes_of(body: Any) -> bytes:
    """All of a reply's body."""
    return body if isinstance(body, bytes) else b"".join([bytes(batch) async for batch in body])


@pytest.fixture
async def empty_s3(tmp_path: Path) -> AsyncIterator[S3]:
    """A server without a bucket."""
    clock = FixedClock(1_700_000_000.25)
    create_folder(tmp_path)
    store = Store.open(tmp_path, wall=clock, space_reserve_bytes=0)
    audit = MemorySink()
    kms = open_kms(tmp_path, clock=clock, root=RootSettings(), audit=audit)
    yield S3(store, kms, clock, tmp_path, audit)
    kms.close()
    await store.close()


@pytest.fixture
async def s3(empty_s3: S3) -> S3:
    """A server with one bucket, `bucket`, that calls go to."""
    empty_s3.bucket = await empty_s3.make_bucket("bucket")
    return empty_s3
