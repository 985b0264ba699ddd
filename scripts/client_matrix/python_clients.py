"""Clients that are Python libraries."""

from io import BytesIO
from typing import Any

import boto3
import minio
import obstore
import pyarrow
import pyarrow.fs
import s3fs
import smart_open
from minio.commonconfig import CopySource
from minio.sse import SseKMS
from scene import Client, Scene, equal, same

PART_BYTES = 5 * 1024 * 1024


def boto3_client(scene: Scene) -> Client:
    s3 = _boto3(scene)
    bucket, small, large = scene.bucket, scene.small.read_bytes(), scene.large.read_bytes()

    def body(key: str, **options: Any) -> bytes:
        content: bytes = s3.get_object(Bucket=bucket, Key=key, **options)["Body"].read()
        return content

    def get() -> None:
        same(body("boto3/small"), small)
        same(body("boto3/large"), large)

    def listing() -> None:
        reply = s3.list_objects_v2(Bucket=bucket, Prefix="boto3/", Delimiter="/")
        equal([entry["Key"] for entry in reply["Contents"]], ["boto3/large", "boto3/small"])

    def copy() -> None:
        s3.copy({"Bucket": bucket, "Key": "boto3/large"}, bucket, "boto3/copy")
        same(body("boto3/copy"), large)

    def sse_kms() -> None:
        sse = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": scene.key_arn}
        s3.upload_file(str(scene.large), bucket, "boto3/sealed", ExtraArgs=sse)
        head = s3.head_object(Bucket=bucket, Key="boto3/sealed")
        equal(head["SSEKMSKeyId"], scene.key_arn)
        same(body("boto3/sealed"), large)

    return Client(
        f"boto3 {boto3.__version__}",
        {
            "put": lambda: s3.put_object(Bucket=bucket, Key="boto3/small", Body=small),
            "multipart": lambda: s3.upload_file(str(scene.large), bucket, "boto3/large"),
            "get": get,
            "range": lambda: same(body("boto3/large", Range="bytes=-10"), large[-10:]),
            "list": listing,
            "copy": copy,
            "sse-kms": sse_kms,
            "delete": lambda: s3.delete_objects(
                Bucket=bucket, Delete={"Objects": [{"Key": "boto3/small"}, {"Key": "boto3/copy"}]}
            ),
        },
    )


def _boto3(scene: Scene) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=scene.endpoint,
        aws_access_key_id=scene.access_key_id,
        aws_secret_access_key=scene.secret_access_key,
        region_name=scene.region,
    )


def s3fs_client(scene: Scene) -> Client:
    options: dict[str, Any] = {
        "key": scene.access_key_id,
        "secret": scene.secret_access_key,
        "client_kwargs": {"endpoint_url": scene.endpoint, "region_name": scene.region},
    }
    fs = s3fs.S3FileSystem(**options)
    sse = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": scene.key_arn}
    sealing = s3fs.S3FileSystem(**options, s3_additional_kwargs=sse)
    root = f"{scene.bucket}/s3fs"
    small, large = scene.small.read_bytes(), scene.large.read_bytes()

    def get() -> None:
        same(fs.cat_file(f"{root}/small"), small)
        same(fs.cat_file(f"{root}/large"), large)

    def listing() -> None:
        fs.invalidate_cache()
        equal(sorted(fs.ls(root)), [f"{root}/large", f"{root}/small"])

    def copy() -> None:
        fs.copy(f"{root}/large", f"{root}/copy")
        same(fs.cat_file(f"{root}/copy"), large)

    def sse_kms() -> None:
        sealing.pipe_file(f"{root}/sealed", large)
        equal(sealing.info(f"{root}/sealed", refresh=True)["size"], len(large))
        same(sealing.cat_file(f"{root}/sealed"), large)

    def delete() -> None:
        fs.rm(root, recursive=True)
        fs.invalidate_cache()
        equal(fs.exists(f"{root}/small"), False)

    return Client(
        f"s3fs {s3fs.__version__}",
        {
            "put": lambda: fs.pipe_file(f"{root}/small", small),
            "multipart": lambda: fs.put_file(str(scene.large), f"{root}/large"),
            "get": get,
            "range": lambda: same(fs.cat_file(f"{root}/large", start=7, end=99), large[7:99]),
            "list": listing,
            "copy": copy,
            "sse-kms": sse_kms,
            "delete": delete,
        },
    )


def pyarrow_client(scene: Scene) -> Client:
    fs = pyarrow.fs.S3FileSystem(
        access_key=scene.access_key_id,
        secret_key=scene.secret_access_key,
        endpoint_override=scene.endpoint.removeprefix("http://"),
        scheme="http",
        region=scene.region,
    )
    root = f"{scene.bucket}/pyarrow"
    small, large = scene.small.read_bytes(), scene.large.read_bytes()

    def write(name: str, data: bytes) -> None:
        with fs.open_output_stream(f"{root}/{name}") as stream:
            stream.write(data)

    def get() -> None:
        for name, wanted in (("small", small), ("large", large)):
            with fs.open_input_stream(f"{root}/{name}") as stream:
                same(stream.read(), wanted)

    def part() -> None:
        with fs.open_input_file(f"{root}/large") as file:
            same(file.read_at(100, 12_345), large[12_345:12_445])

    def listing() -> None:
        found = fs.get_file_info(pyarrow.fs.FileSelector(root))
        equal(sorted(info.base_name for info in found), ["large", "small"])

    def copy() -> None:
        fs.copy_file(f"{root}/small", f"{root}/copy")
        equal(fs.get_file_info(f"{root}/copy").size, len(small))

    return Client(
        f"pyarrow {pyarrow.__version__}",
        {
            "put": lambda: write("small", small),
            "multipart": lambda: write("large", large),
            "get": get,
            "range": part,
            "list": listing,
            "copy": copy,
            "delete": lambda: fs.delete_dir(root),
        },
    )


def obstore_client(scene: Scene) -> Client:
    def store(**extra: str) -> Any:
        return obstore.store.S3Store(
            scene.bucket,
            prefix="obstore",
            endpoint=scene.endpoint,
            access_key_id=scene.access_key_id,
            secret_access_key=scene.secret_access_key,
            region=scene.region,
            client_options={"allow_http": True},
            **extra,
        )

    plain = store()
    sealing = store(aws_server_side_encryption="aws:kms", aws_sse_kms_key_id=scene.key_arn)
    small, large = scene.small.read_bytes(), scene.large.read_bytes()

    def get() -> None:
        same(bytes(plain.get("small").bytes()), small)
        same(bytes(plain.get("large").bytes()), large)

    def listing() -> None:
        found = [entry["path"] for page in plain.list() for entry in page]
        equal(sorted(found), ["large", "small"])

    def copy() -> None:
        plain.copy("small", "copy")
        same(bytes(plain.get("copy").bytes()), small)

    def sse_kms() -> None:
        sealing.put("sealed", small)
        same(bytes(sealing.get("sealed").bytes()), small)

    return Client(
        f"obstore {obstore.__version__}",
        {
            "put": lambda: plain.put("small", small, mode="create"),
            "multipart": lambda: plain.put(
                "large", BytesIO(large), use_multipart=True, chunk_size=PART_BYTES
            ),
            "get": get,
            "range": lambda: same(bytes(plain.get_range("large", start=3, end=30)), large[3:30]),
            "list": listing,
            "copy": copy,
            "sse-kms": sse_kms,
            "delete": lambda: plain.delete(["small", "copy"]),
        },
    )


def minio_client(scene: Scene) -> Client:
    client = minio.Minio(
        endpoint=scene.endpoint.removeprefix("http://"),
        access_key=scene.access_key_id,
        secret_key=scene.secret_access_key,
        secure=False,
    )
    bucket, small, large = scene.bucket, scene.small.read_bytes(), scene.large.read_bytes()

    def body(name: str, **options: Any) -> bytes:
        reply = client.get_object(bucket_name=bucket, object_name=f"minio/{name}", **options)
        try:
            return bytes(reply.read())
        finally:
            reply.close()
            reply.release_conn()

    def put(name: str, data: bytes, **options: Any) -> None:
        client.put_object(
            bucket_name=bucket,
            object_name=f"minio/{name}",
            data=BytesIO(data),
            length=len(data),
            **options,
        )

    def get() -> None:
        same(body("small"), small)
        same(body("large"), large)

    def listing() -> None:
        found = client.list_objects(bucket_name=bucket, prefix="minio/")
        equal([entry.object_name for entry in found], ["minio/large", "minio/small"])

    def copy() -> None:
        source = CopySource(bucket_name=bucket, object_name="minio/small")
        client.copy_object(bucket_name=bucket, object_name="minio/copy", source=source)
        same(body("copy"), small)

    def sse_kms() -> None:
        try:
            put("sealed", small, sse=SseKMS(scene.key_arn, {}))
        except ValueError:
            # This client refuses SSE over plain http before it sends anything.
            return
        same(body("sealed"), small)

    return Client(
        f"minio {minio.__version__}",
        {
            "put": lambda: put("small", small),
            "multipart": lambda: put("large", large, part_size=PART_BYTES),
            "get": get,
            "range": lambda: same(body("large", offset=9, length=21), large[9:30]),
            "list": listing,
            "copy": copy,
            "sse-kms": sse_kms,
            "delete": lambda: client.remove_object(bucket_name=bucket, object_name="minio/small"),
        },
    )


def smart_open_client(scene: Scene) -> Client:
    s3 = _boto3(scene)
    root = f"s3://{scene.bucket}/smart_open"
    small, large = scene.small.read_bytes(), scene.large.read_bytes()

    def write(name: str, data: bytes, **arguments: Any) -> None:
        options = {"client": s3, "min_part_size": PART_BYTES, "client_kwargs": arguments}
        with smart_open.open(f"{root}/{name}", "wb", transport_params=options) as file:
            file.write(data)

    def read(name: str, start: int = 0, size: int = -1) -> bytes:
        with smart_open.open(f"{root}/{name}", "rb", transport_params={"client": s3}) as file:
            file.seek(start)
            content: bytes = file.read(size)
            return content

    def get() -> None:
        same(read("small"), small)
        same(read("large"), large)

    def sse_kms() -> None:
        sse = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": scene.key_arn}
        write("sealed", large, **{"S3.Client.create_multipart_upload": sse})
        same(read("sealed"), large)

    return Client(
        f"smart_open {smart_open.__version__}",
        {
            "put": lambda: write("small", small),
            "multipart": lambda: write("large", large),
            "get": get,
            "range": lambda: same(read("large", 1000, 50), large[1000:1050]),
            "sse-kms": sse_kms,
        },
    )


PYTHON_CLIENTS = (
    boto3_client,
    s3fs_client,
    pyarrow_client,
    obstore_client,
    minio_client,
    smart_open_client,
)
