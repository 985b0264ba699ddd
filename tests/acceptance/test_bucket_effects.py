"""What a bucket's configurations do by themselves, on a server whose clock is moved."""

import gzip
import json
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

QUEUE = "arn:aws:sqs:us-east-1:123456789012:uploads"
EXPIRE = {"ID": "e", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}

OTHER = """
[[accounts]]
id = "111122223333"
access_key_id = "AKIAOTHER"
secret_access_key = "other-secret"
"""


def advance(server: Any, seconds: int) -> None:
    """Move the service clock; answers when everything that is due has been done."""
    body = json.dumps({"advance_seconds": seconds}).encode()
    with urllib.request.urlopen(f"{server.endpoint}/_/clock", body, timeout=60) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_rules_run_and_events_are_delivered(serve: Callable[..., Any], workers: str) -> None:
    server = serve("--dev", "--workers", workers)
    client = server.client("s3")
    client.create_bucket(Bucket="bucket")
    client.put_bucket_lifecycle_configuration(
        Bucket="bucket", LifecycleConfiguration={"Rules": [EXPIRE]}
    )
    client.put_bucket_notification_configuration(
        Bucket="bucket",
        NotificationConfiguration={
            "QueueConfigurations": [
                {"Id": "q", "QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"]}
            ]
        },
    )
    put = client.put_object(Bucket="bucket", Key="tmp/a", Body=b"x")
    assert 'rule-id="e"' in put["Expiration"]
    client.put_object(Bucket="bucket", Key="keep", Body=b"x")
    advance(server, 2 * 24 * 3600)
    listed = client.list_objects_v2(Bucket="bucket")["Contents"]
    assert [entry["Key"] for entry in listed] == ["keep"]
    queue = server.data / "queues" / "123456789012.us-east-1.uploads.jsonl"
    events = [json.loads(line) for line in queue.read_text().splitlines()]
    assert events[0]["Event"] == "s3:TestEvent"
    keys = [event["Records"][0]["s3"]["object"]["key"] for event in events[1:]]
    assert keys == ["tmp/a", "keep"]


def test_requests_are_logged_at_the_latest_when_the_server_stops(serve: Callable[..., Any]) -> None:
    server = serve("--dev")
    client = server.client("s3")
    for name in ("bucket", "logs"):
        client.create_bucket(Bucket=name)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::logs/*",
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::bucket"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client.put_bucket_policy(Bucket="logs", Policy=policy)
    enabled = {"TargetBucket": "logs", "TargetPrefix": "p/"}
    client.put_bucket_logging(Bucket="bucket", BucketLoggingStatus={"LoggingEnabled": enabled})
    client.put_object(Bucket="bucket", Key="a", Body=b"12345")
    client.get_object(Bucket="bucket", Key="a")["Body"].read()
    nobody = server.client("s3", config=Config(signature_version=UNSIGNED))
    forger = replace(server, secret_access_key="wrong").client("s3")
    for stranger in (nobody, forger):
        with pytest.raises(ClientError):
            stranger.get_object(Bucket="bucket", Key="a")
    assert server.stop() == 0
    client = serve("--dev").client("s3")
    lines: list[str] = []
    for entry in client.list_objects_v2(Bucket="logs").get("Contents", ()):
        body = client.get_object(Bucket="logs", Key=entry["Key"])["Body"].read()
        lines += body.decode().splitlines()
    asked = [line.split()[7] for line in lines]
    assert asked[-4:] == [
        "REST.PUT.OBJECT",
        "REST.GET.OBJECT",
        "REST.GET.OBJECT",
        "REST.GET.OBJECT",
    ]
    outcomes = [(line.split()[5], *line.split()[12:14]) for line in lines[-2:]]
    assert outcomes == [("-", "403", "AccessDenied"), ("-", "403", "SignatureDoesNotMatch")]


def test_requesters_pay_and_are_told_so(serve: Callable[..., Any], tmp_path: Path) -> None:
    seed = tmp_path / "seed.toml"
    seed.write_text(OTHER)
    server = serve("--dev", "--seed", str(seed))
    owner = server.client("s3")
    owner.create_bucket(Bucket="sold")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "111122223333"},
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::sold/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    owner.put_bucket_policy(Bucket="sold", Policy=json.dumps(policy))
    paid_by = {"Payer": "Requester"}
    owner.put_bucket_request_payment(Bucket="sold", RequestPaymentConfiguration=paid_by)
    owner.put_object(Bucket="sold", Key="k", Body=b"data")
    keys = {"AccessKeyId": "AKIAOTHER", "SecretAccessKey": "other-secret"}
    other = server.speaking_for(keys).client("s3")
    other.create_bucket(Bucket="bought")
    upload_id = other.create_multipart_upload(Bucket="bought", Key="parts")["UploadId"]
    copied = {"Bucket": "bought", "CopySource": "sold/k"}
    requests: list[tuple[Callable[..., Any], dict[str, Any]]] = [
        (other.get_object, {"Bucket": "sold", "Key": "k"}),
        (other.copy_object, {**copied, "Key": "copy"}),
        (
            other.upload_part_copy,
            {**copied, "Key": "parts", "UploadId": upload_id, "PartNumber": 1},
        ),
    ]
    for ask, members in requests:
        with pytest.raises(ClientError, match="AccessDenied"):
            ask(**members)
        assert ask(**members, RequestPayer="requester")["RequestCharged"] == "requester"
    assert "RequestCharged" not in owner.get_object(Bucket="sold", Key="k")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_report_of_what_is_in_a_bucket_comes_once(
    serve: Callable[..., Any], workers: str
) -> None:
    server = serve("--dev", "--workers", workers)
    client = server.client("s3")
    for bucket in ("photos", "reports"):
        client.create_bucket(Bucket=bucket)
    client.put_object(Bucket="photos", Key="a b", Body=b"1234567")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::reports/*",
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::photos"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client.put_bucket_policy(Bucket="reports", Policy=policy)
    configuration = {
        "Id": "all",
        "IsEnabled": True,
        "IncludedObjectVersions": "Current",
        "Schedule": {"Frequency": "Daily"},
        "OptionalFields": ["Size"],
        "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::reports", "Format": "CSV"}},
    }
    client.put_bucket_inventory_configuration(
        Bucket="photos", Id="all", InventoryConfiguration=configuration
    )
    advance(server, 24 * 3600)
    advance(server, 1)
    listed = client.list_objects_v2(Bucket="reports")["Contents"]
    found = {
        entry["Key"]: client.get_object(Bucket="reports", Key=entry["Key"])["Body"].read()
        for entry in listed
    }
    assert len(found) == 4
    [manifest] = [text for key, text in found.items() if key.endswith("/manifest.json")]
    [file] = json.loads(manifest)["files"]
    assert gzip.decompress(found[file["key"]]) == b'"photos","a%20b","7"\n'


def test_a_policy_can_withhold_fields_of_reports(serve: Callable[..., Any]) -> None:
    client = serve("--dev").client("s3")
    client.create_bucket(Bucket="photos")
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutInventoryConfiguration",
        "Resource": "arn:aws:s3:::photos",
        "Condition": {
            "ForAnyValue:StringEquals": {"s3:InventoryAccessibleOptionalFields": "ObjectOwner"}
        },
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client.put_bucket_policy(Bucket="photos", Policy=policy)
    configuration = {
        "Id": "all",
        "IsEnabled": True,
        "IncludedObjectVersions": "All",
        "Schedule": {"Frequency": "Weekly"},
        "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::photos", "Format": "CSV"}},
    }

    def put(fields: list[str]) -> None:
        client.put_bucket_inventory_configuration(
            Bucket="photos",
            Id="all",
            InventoryConfiguration={**configuration, "OptionalFields": fields},
        )

    put(["Size"])
    with pytest.raises(ClientError, match="AccessDenied"):
        put(["Size", "ObjectOwner"])
