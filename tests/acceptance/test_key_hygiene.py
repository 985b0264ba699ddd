"""What another process finds in the memory of a server that has used keys.

Only root may read the memory of a hardened process, so the test needs to be root.
"""

import json
import os
import re
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import pytest

from kms.aws import arn
from kms.aws.clock import SystemClock
from kms.aws.identity import Caller, Principal, PrincipalKind
from kms.client import RootSettings, open_kms

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(os.geteuid() != 0, reason="reads another process's memory: needs root"),
]

ACCOUNT, REGION = "123456789012", "us-east-1"
UNREADABLE = ("[vvar]", "[vvar_vclock]", "[vsyscall]")
SIZES = (0, 100, 20_000, 3_000_000)


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


def data_keys(server: Any, wrapped: list[tuple[bytes, dict[str, str]]]) -> list[bytes]:
    """The data keys, unwrapped here, by a second process on the same data folder."""
    root = RootSettings(key_file=server.data / "root.key")
    kms = open_kms(server.data / "kms", clock=SystemClock(), root=root)
    principal = Principal(PrincipalKind.ROOT, ACCOUNT, arn.account_root(ACCOUNT), ACCOUNT)
    caller = Caller(principal, "AKIA", REGION, "scan", via_service=f"s3.{REGION}.amazonaws.com")
    opened = [
        bytes(kms.decrypt(caller, wrapped=blob, context=context)) for blob, context in wrapped
    ]
    kms.close()
    return opened


def wrapped_key(server: Any, key: str) -> tuple[bytes, dict[str, str]]:
    """The wrapped data key of an object and its context, from the server's trace."""
    query = f"operation=PutObject&resource=/hygiene/{key}"
    with urllib.request.urlopen(f"{server.endpoint}/_/trace?{query}") as answer:
        (record,) = json.load(answer)
    (step,) = [step for step in record["steps"] if step["step"] == "GenerateDataKey"]
    return b64decode(step["wrapped_key"]), step["encryption_context"]


def test_no_plaintext_data_key_stays_in_memory(serve: Callable[..., Any]) -> None:
    server = serve("--dev")
    kms, s3 = server.client("kms"), server.client("s3")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket="hygiene")
    sse = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    wrapped = []
    for size in SIZES:
        s3.put_object(Bucket="hygiene", Key=str(size), Body=bytes(size), **sse)
        s3.get_object(Bucket="hygiene", Key=str(size))["Body"].read()
        wrapped.append(wrapped_key(server, str(size)))
    needles = {}
    for number, plaintext in enumerate(data_keys(server, wrapped)):
        needles[plaintext] = f"data key of object {number}"
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
