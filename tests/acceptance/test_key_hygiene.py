"""What another process finds in the memory of a server that has used keys.

Only root may read the memory of a hardened process, so the test needs to be root.
"""

import asyncio
import os
import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from kms.aws.clock import SystemClock
from kms.client import RootSettings, open_kms
from objstore.crypt.data_keys import DataKeys
from objstore.crypt.manifest import decode
from objstore.inspect import account_root
from objstore.storage.store import Store

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(os.geteuid() != 0, reason="reads another process's memory: needs root"),
]

UNREADABLE = ("[vvar]", "[vvar_vclock]", "[vsyscall]")
BUCKET = "hygiene"
SIZES = (0, 100, 20_000, 3_000_000)
MODES: dict[str, dict[str, Any]] = {
    "SSE-S3": {},
    "SSE-KMS": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "KEY"},
    "bucket-key": {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "KEY",
        "BucketKeyEnabled": True,
    },
    "DSSE-KMS": {"ServerSideEncryption": "aws:kms:dsse", "SSEKMSKeyId": "KEY"},
}


def occurrences(pid: int, needles: dict[bytes, str]) -> list[str]:
    """The names of the needles that the memory of a process holds."""
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            matched = re.match(r"(\w+)-(\w+) r\S* \S+ \S+ \S+\s*(.*)", line)
            if matched is None or matched[3] in UNREADABLE:
                continue
            start, end = int(matched[1], 16), int(matched[2], 16)
            memory.seek(start)
            try:
                held = memory.read(end - start)
            except OSError:
                continue
            found += [name for needle, name in needles.items() if needle in held]
    return found


def data_keys(server: Any) -> dict[bytes, str]:
    """The data keys of every object, unwrapped here, by a second process on the same folder."""
    root = RootSettings(key_file=server.data / "root.key")
    kms = open_kms(server.data / "kms", clock=SystemClock(), root=root)
    store = Store.open(server.data, wall=SystemClock())
    bucket = store.bucket(BUCKET)
    assert bucket is not None
    found = {}
    for mode in MODES:
        for size in SIZES:
            name = f"{mode}/{size}"
            stored = store.object(bucket.bucket_id, name.encode())
            assert stored is not None
            manifest = decode(stored.manifest)
            opened = DataKeys(kms).open(
                account_root(bucket), manifest, bucket=bucket, key=manifest.key
            )
            for start in range(0, len(opened), 32):
                found[bytes(opened[start : start + 32])] = f"data key of {name}"
    asyncio.run(store.close())
    kms.close()
    return found


def test_no_plaintext_data_key_stays_in_memory(serve: Callable[..., Any]) -> None:
    server = serve("--dev")
    kms, s3 = server.client("kms"), server.client("s3")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket=BUCKET)
    for mode, members in MODES.items():
        sse = {name: key if value == "KEY" else value for name, value in members.items()}
        for size in SIZES:
            s3.put_object(Bucket=BUCKET, Key=f"{mode}/{size}", Body=bytes(size), **sse)
            s3.get_object(Bucket=BUCKET, Key=f"{mode}/{size}")["Body"].read()
    needles = data_keys(server)
    assert len(needles) == (len(MODES) + 1) * len(SIZES)
    for number in range(5):
        made = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
        assert kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]
        needles[made["Plaintext"]] = f"data key {number}"
        needles[b64encode(made["Plaintext"])] = f"data key {number} in base64"
    signing = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    kms.sign(KeyId=signing["KeyId"], Message=b"m", SigningAlgorithm="ECDSA_SHA_256")
    root = (server.data / "root.key").read_bytes().split()[1]
    needles[root] = "root key in hexadecimal"
    needles[bytes.fromhex(root.decode())] = "root key"
    # The scan finds what is there: the key's ARN is, in the cache of records.
    assert occurrences(server.process.pid, {key.encode(): "control"}) != []
    assert occurrences(server.process.pid, needles) == []
