"""Things of every kind that a client can change and read, each as a register of one value.

Objects repeat their value in their bytes, so that bytes of two values are seen.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import ClientError
from server import client

BUCKET = "things"
INLINE_BYTES, FILE_BYTES, PART_BYTES = 2_000, 700_000, 5 << 20
RULES = 100
Value = str | None


class Clients:
    """The clients of one thread."""

    def __init__(self, endpoint: str) -> None:
        self.s3 = client(endpoint, "s3")
        self.kms = client(endpoint, "kms")
        self.iam = client(endpoint, "iam")


@dataclass(frozen=True)
class Kind:
    """A kind of thing that a client can change and read: each is a register by its name.

    `write` makes the thing of a name hold a value, `read` finds the value, None if there is none.
    """

    service: str
    write: Callable[[Clients, str, str], object]
    read: Callable[[Clients, str], Value]
    prepare: Callable[[Clients, str], object] = lambda clients, name: None


def content(value: str, size: int) -> bytes:
    line = f"{value}\n".encode()
    return (line * (size // len(line) + 1))[:size]


def put(size: int) -> Callable[[Clients, str, str], object]:
    return lambda clients, name, value: clients.s3.put_object(
        Bucket=BUCKET, Key=name, Body=content(value, size)
    )


def put_encrypted(clients: Clients, name: str, value: str) -> None:
    body = content(value, FILE_BYTES)
    clients.s3.put_object(Bucket=BUCKET, Key=name, Body=body, ServerSideEncryption="aws:kms")


def complete(clients: Clients, name: str, value: str) -> None:
    named = {"Bucket": BUCKET, "Key": name}
    named["UploadId"] = clients.s3.create_multipart_upload(**named)["UploadId"]
    parts = []
    for number, size in enumerate((PART_BYTES, INLINE_BYTES), 1):
        body = content(value, size)
        part = clients.s3.upload_part(**named, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    clients.s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})


def copy(clients: Clients, name: str, value: str) -> None:
    """Copies an object that says nothing of the value; the metadata does."""
    clients.s3.copy_object(
        Bucket=BUCKET,
        Key=name,
        CopySource=f"{BUCKET}/source",
        Metadata={"value": value},
        MetadataDirective="REPLACE",
    )


def read_object(clients: Clients, name: str) -> Value:
    """The value that an object's bytes repeat. Raises ValueError for bytes of none."""
    try:
        answer = clients.s3.get_object(Bucket=BUCKET, Key=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None
    body = answer["Body"].read()
    value = body.partition(b"\n")[0].decode()
    if "value" in answer["Metadata"]:
        assert value == "source"
        return str(answer["Metadata"]["value"])
    sizes = (INLINE_BYTES, FILE_BYTES)
    whole = [content(value, size) for size in sizes]
    whole.append(content(value, PART_BYTES) + content(value, INLINE_BYTES))
    if body not in whole:
        raise ValueError(f"{name}: the bytes are those of no value")
    return value


def put_tags(clients: Clients, name: str, value: str) -> None:
    tags = {"TagSet": [{"Key": "value", "Value": value}]}
    clients.s3.put_object_tagging(Bucket=BUCKET, Key=name, Tagging=tags)


def read_tags(clients: Clients, name: str) -> Value:
    found = clients.s3.get_object_tagging(Bucket=BUCKET, Key=name)["TagSet"]
    return found[0]["Value"] if found else None


def put_settings(clients: Clients, name: str, value: str) -> None:
    rules = [
        {
            "ID": f"{value}x{number}",
            "Status": "Enabled",
            "Filter": {"Prefix": f"{number}/" * 50},
            "Expiration": {"Days": 1000},
        }
        for number in range(RULES)
    ]
    clients.s3.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": rules}
    )


def read_settings(clients: Clients, name: str) -> Value:
    try:
        found = clients.s3.get_bucket_lifecycle_configuration(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
            raise
        return None
    return str(found["Rules"][0]["ID"]).rpartition("x")[0]


def make_key(clients: Clients, name: str) -> None:
    made = clients.kms.create_key()["KeyMetadata"]["KeyId"]
    clients.kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=made)


def key_of(clients: Clients, name: str) -> str:
    found = clients.kms.describe_key(KeyId=f"alias/{name}")
    return str(found["KeyMetadata"]["KeyId"])


def describe(clients: Clients, name: str, value: str) -> None:
    clients.kms.update_key_description(KeyId=key_of(clients, name), Description=value)


def read_description(clients: Clients, name: str) -> Value:
    found = clients.kms.describe_key(KeyId=f"alias/{name}")["KeyMetadata"]["Description"]
    return found or None


def make_new_key(clients: Clients, name: str, value: str) -> None:
    """A new key whose only name is the value, and a ciphertext under it, as the alias."""
    made = clients.kms.create_key(Description=value)["KeyMetadata"]["KeyId"]
    clients.kms.update_alias(AliasName=f"alias/{name}", TargetKeyId=made)


def read_new_key(clients: Clients, name: str) -> Value:
    """What the key that the alias names is called; it must be one that works."""
    key_id = f"alias/{name}"
    sealed = clients.kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    assert clients.kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    return read_description(clients, name)


def put_policy(clients: Clients, name: str, value: str) -> None:
    statement = {"Sid": value, "Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    clients.iam.put_user_policy(
        UserName=name, PolicyName="policy", PolicyDocument=json.dumps(document)
    )


def read_policy(clients: Clients, name: str) -> Value:
    try:
        found = clients.iam.get_user_policy(UserName=name, PolicyName="policy")
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return None
    return str(found["PolicyDocument"]["Statement"][0]["Sid"])


def make_object(clients: Clients, name: str) -> None:
    clients.s3.put_object(Bucket=BUCKET, Key=name, Body=b"tagged")


def make_bucket(clients: Clients, name: str) -> None:
    clients.s3.create_bucket(Bucket=name)


def make_user(clients: Clients, name: str) -> None:
    clients.iam.create_user(UserName=name)


def make_source(clients: Clients) -> None:
    """The bucket of all objects, and the object that copies are made of."""
    clients.s3.create_bucket(Bucket=BUCKET)
    clients.s3.put_object(Bucket=BUCKET, Key="source", Body=content("source", FILE_BYTES))


OBJECTS = {
    "inline": Kind("s3", put(INLINE_BYTES), read_object),
    "file": Kind("s3", put(FILE_BYTES), read_object),
    "encrypted": Kind("s3", put_encrypted, read_object),
    "parts": Kind("s3", complete, read_object),
    "copy": Kind("s3", copy, read_object),
}
SETTINGS = {
    "tags": Kind("s3", put_tags, read_tags, make_object),
    "bucket": Kind("s3", put_settings, read_settings, make_bucket),
    "description": Kind("kms", describe, read_description, make_key),
    "key": Kind("kms", make_new_key, read_new_key, make_key),
    "policy": Kind("iam", put_policy, read_policy, make_user),
}
KINDS = {**OBJECTS, **SETTINGS}
