"""A store and its KMS in this process: operations are functions, and rows are within reach."""

import json
import os
from base64 import b64encode
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path
from typing import Any

import apsw

from kms.aws.arn import account_root
from kms.aws.clock import SystemClock
from kms.aws.identity import Caller, Principal, PrincipalKind
from kms.client import KMS, RootSettings, open_kms
from objstore.account.directory import Directory
from objstore.authenticate import Authenticated, PayloadMode
from objstore.call import Call, Reply, Services
from objstore.checksum import Algorithm, ChecksumHeaders, checksum
from objstore.crypt.customer_keys import CopySourceKeyHeaders, CustomerKeyHeaders
from objstore.crypt.data_keys import DataKeys
from objstore.crypt.sse import EncryptionHeaders
from objstore.operations import OPERATIONS
from objstore.operations.read import EVERYTHING, Selection
from objstore.payload import Payload
from objstore.settings import Settings
from objstore.storage.records import Bucket, StoredObject
from objstore.storage.store import Store
from objstore.tokens import TOKEN_KEY_BYTES, Tokens

ACCOUNT = "123456789012"
PIECE_BYTES = 1 << 20
CUSTOMER_KEY = os.urandom(32)
CANARY = b"CANARY-" + os.urandom(8).hex().encode()


@dataclass(frozen=True, slots=True)
class Way:
    """One way to encrypt: what a write says, what a read must bring, what a copy's source must."""

    name: str
    write: EncryptionHeaders
    read: CustomerKeyHeaders
    source: CopySourceKeyHeaders


class House:
    """Everything of a server but the wire. `open` it, and `close` it; `reopen` is a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: Store
        self.kms: KMS
        self._services: Services
        root = Principal(PrincipalKind.ROOT, ACCOUNT, account_root(ACCOUNT), ACCOUNT)
        self.caller = Caller(root, "AKIAMATRIX", "us-east-1", "0" * 16, secure=True)

    def open(self) -> None:
        clock = SystemClock()
        self.store = Store.open(self.folder, wall=clock, space_reserve_bytes=0)
        self.kms = open_kms(self.folder / "kms", clock=clock, root=RootSettings())
        self._services = Services(
            self.store,
            DataKeys(self.kms),
            clock,
            Settings(data=self.folder),
            Directory().account,
            Tokens(bytes(TOKEN_KEY_BYTES)),
        )

    async def close(self) -> None:
        await self.store.close()
        self.kms.close()

    async def reopen(self) -> None:
        await self.close()
        self.open()

    async def call(self, operation: str, where: str, **members: Any) -> Reply:
        target = self.store.bucket(where)
        call = Call(self.caller, self._services, lambda *_: None, target)
        return await OPERATIONS[operation](call, **members)

    async def make_bucket(self, name: str, *, versioned: bool) -> None:
        """A bucket that takes every kind of encryption."""
        await self.call("CreateBucket", name, bucket=name)
        rule = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
        configuration = {"Rules": [rule]}
        await self.call(
            "PutBucketEncryption", name, server_side_encryption_configuration=configuration
        )
        if versioned:
            status = {"Status": "Enabled"}
            await self.call("PutBucketVersioning", name, versioning_configuration=status)

    def make_key(self) -> str:
        """The ARN of a new KMS key."""
        status, document = self.kms.handle("TrentService.CreateKey", b"{}", self.caller)
        if status != 200:
            raise RuntimeError(bytes(document).decode())
        return str(json.loads(bytes(document))["KeyMetadata"]["Arn"])

    def ways(self) -> list[Way]:
        """The five modes, under one KMS key."""
        key_arn = self.make_key()
        text = b64encode(CUSTOMER_KEY).decode()
        digest = b64encode(md5(CUSTOMER_KEY, usedforsecurity=False).digest()).decode()
        customers = ("AES256", text, digest)
        own, none = CustomerKeyHeaders(), CopySourceKeyHeaders()
        return [
            Way("SSE-S3", EncryptionHeaders("AES256"), own, none),
            Way("SSE-KMS", EncryptionHeaders("aws:kms", key_arn), own, none),
            Way(
                "bucket key",
                EncryptionHeaders("aws:kms", key_arn, bucket_key_enabled=True),
                own,
                none,
            ),
            Way("DSSE-KMS", EncryptionHeaders("aws:kms:dsse", key_arn), own, none),
            Way(
                "SSE-C",
                EncryptionHeaders(None, None, None, None, *customers),
                CustomerKeyHeaders(*customers),
                CopySourceKeyHeaders(*customers),
            ),
        ]

    async def put(self, bucket: str, key: str, data: bytes, way: Way) -> Reply:
        body = payload(data)
        return await self.call("PutObject", bucket, key=key, body=body, encryption=way.write)

    async def begin(self, bucket: str, key: str, way: Way, algorithm: str | None) -> "Upload":
        """Begin a multipart upload, with a checksum algorithm of its own or without."""
        reply = await self.call(
            "CreateMultipartUpload",
            bucket,
            key=key,
            encryption=way.write,
            checksum_algorithm=algorithm,
        )
        return Upload(self, bucket, key, str(reply["UploadId"]), way, algorithm)

    async def get(
        self, bucket: str, key: str, way: Way, selection: Selection = EVERYTHING
    ) -> bytes:
        """All the bytes of a GetObject."""
        reply = await self.call(
            "GetObject", bucket, key=key, selection=selection, customer=way.read
        )
        body = reply["Body"]
        return body if isinstance(body, bytes) else b"".join([bytes(part) async for part in body])

    def bucket(self, name: str) -> Bucket:
        found = self.store.bucket(name)
        assert found is not None
        return found

    def row(self, bucket: str, key: str, version_id: str | None = None) -> StoredObject:
        found = self.store.object(self.bucket(bucket).bucket_id, key.encode(), version_id)
        assert found is not None
        return found

    def index(self) -> apsw.Connection:
        """The index as whoever can write the disk has it."""
        connection = apsw.Connection(str(self.folder / "index.db"))
        connection.set_busy_timeout(10_000)
        connection.execute("PRAGMA synchronous = OFF").fetchall()
        return connection


@dataclass(slots=True)
class Upload:
    """A multipart upload: its parts as they were answered."""

    house: House
    bucket: str
    key: str
    upload_id: str
    way: Way
    algorithm: str | None
    parts: list[dict[str, Any]] = field(default_factory=list)

    async def add(self, data: bytes) -> None:
        """Upload the next part."""
        named = ChecksumHeaders()
        if self.algorithm is not None:
            value = checksum(Algorithm(self.algorithm), data)
            named = ChecksumHeaders(**{f"checksum_{self.algorithm.lower()}": value})
        reply = await self.house.call(
            "UploadPart",
            self.bucket,
            key=self.key,
            upload_id=self.upload_id,
            part_number=len(self.parts) + 1,
            body=payload(data),
            checksums=named,
            customer=self.way.read,
        )
        self.took(reply)

    def took(self, reply: Reply) -> None:
        """Remember a part by the reply that acknowledged it."""
        member = f"Checksum{self.algorithm}"
        part = {"PartNumber": len(self.parts) + 1, "ETag": reply["ETag"]}
        self.parts.append(part | ({member: reply[member]} if self.algorithm else {}))

    async def complete(self) -> None:
        await self.house.call(
            "CompleteMultipartUpload",
            self.bucket,
            key=self.key,
            upload_id=self.upload_id,
            multipart_upload={"Parts": self.parts},
            customer=self.way.read,
        )


def payload(data: bytes) -> Payload:
    """A request body as ASGI delivers it."""
    pieces = [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)] or [b""]

    async def receive() -> MutableMapping[str, Any]:
        body = pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(pieces)}

    unsigned = Authenticated(None, "us-east-1", PayloadMode.UNSIGNED, None, None)
    return Payload(receive, unsigned, {"content-length": str(len(data))})


def content(size: int, name: str) -> bytes:
    """Bytes of an object that no other has, with the canary in every line."""
    lines = []
    length = number = 0
    while length < size:
        line = b"%s %s %d\n" % (CANARY, name.encode(), number)
        lines.append(line)
        length += len(line)
        number += 1
    return b"".join(lines)[:size]
