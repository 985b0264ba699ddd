"""Access logs: gathered, delivered as objects, and only where the target bucket lets it."""

import json
from typing import Any

import pytest

from objstore import access_log
from objstore.access_log import AccessLog
from objstore.authorize import Authorizer
from objstore.exchange import Request, Response, Visit

ACCOUNT = "123456789012"
OTHER = "b" * 64


def asked(path: str = "/bucket/key", operation: str = "GetObject") -> Request:
    async def receive() -> dict[str, Any]:
        raise AssertionError("nobody reads a body here")

    scope = {
        "method": "GET",
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"user-agent", b"test")],
        "scheme": "http",
        "client": ("192.0.2.3", 1),
    }
    request = Request(scope, receive)
    request.operation = operation
    return request


class Logging:
    """A bucket that is logged to another."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        authorizer = Authorizer(
            s3.store,
            s3.clock,
            account=s3.services.account,
            account_of=s3.services.account_of,
        )
        self.log = AccessLog(s3.services, authorizer, s3.clock)

    async def begin(self, **more: Any) -> None:
        await self.s3.make_bucket("logs")
        enabled = {"TargetBucket": "logs", "TargetPrefix": "p/", **more}
        await self.s3.call("PutBucketLogging", bucket_logging_status={"LoggingEnabled": enabled})

    async def allow(self, source: str = "arn:aws:s3:::bucket") -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::logs/p/*",
            "Condition": {
                "ArnLike": {"aws:SourceArn": source},
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
            },
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        await self.s3.store.update_bucket("logs", lambda old: {**old, "policy": document})

    def visit(self, path: str = "/bucket/key", **more: Any) -> None:
        request = asked(path)
        bucket = self.s3.store.bucket("bucket")
        request.visit = Visit(bucket, "key", self.s3.caller, "", "AuthHeader", **more)
        response = Response(200, [(b"content-length", b"7")])
        self.log.add(request, response, 7, 0.01)

    async def delivered(self) -> list[tuple[str, list[str]]]:
        """Keys and lines of what arrived."""
        own, self.s3.bucket = self.s3.bucket, self.s3.store.bucket("logs")
        found = []
        for entry in (await self.s3.call("ListObjectsV2"))["Contents"]:
            _, body = await self.s3.get(entry["Key"])
            found.append((entry["Key"], body.decode().splitlines()))
        self.s3.bucket = own
        return found


@pytest.fixture
def logged(s3: Any) -> Logging:
    return Logging(s3)


async def test_lines_are_delivered_together(logged: Logging) -> None:
    await logged.begin()
    await logged.allow()
    for number in range(3):
        logged.visit(f"/bucket/{number}")
    await logged.log.flush()
    [(key, lines)] = await logged.delivered()
    assert key.startswith("p/2023-11-14-22-13-20-")
    owner = logged.s3.services.account(ACCOUNT).canonical_id
    assert [line.split()[:2] for line in lines] == [[owner, "bucket"]] * 3
    assert '"GET /bucket/2 HTTP/1.1" 200 - 7 7 10 10' in lines[2]
    await logged.log.flush()
    assert len(await logged.delivered()) == 1


async def test_errors_are_logged_by_their_code(logged: Logging) -> None:
    await logged.begin()
    await logged.allow()
    logged.visit(error_code="NoSuchKey")
    await logged.log.flush()
    [(_, [line])] = await logged.delivered()
    assert " NoSuchKey " in line


@pytest.mark.parametrize("source", [None, "arn:aws:s3:::other"])
async def test_the_target_must_let_the_log_service(
    logged: Logging, source: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    await logged.begin()
    if source is not None:
        await logged.allow(source)
    logged.visit()
    await logged.log.flush()
    assert await logged.delivered() == []
    assert caplog.records[-1].__dict__["fields"] == {"bucket": "bucket", "reason": "AccessDenied"}


async def test_an_acl_lets_the_log_service_too(logged: Logging) -> None:
    await logged.begin()
    grants = [
        {
            "Grantee": {
                "Type": "Group",
                "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery",
            },
            "Permission": "WRITE",
        }
    ]
    acls_on = {"ownership": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}
    await logged.s3.store.update_bucket("logs", lambda old: {**old, "acl": {"Grants": grants}})
    logged.visit()
    await logged.log.flush()
    assert await logged.delivered() == []
    await logged.s3.store.update_bucket("logs", lambda old: {**old, **acls_on})
    logged.visit()
    await logged.log.flush()
    assert len(await logged.delivered()) == 1


async def test_target_grants_are_the_objects_acl(logged: Logging) -> None:
    await logged.s3.make_bucket("logs")
    acls_on = {"ownership": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}
    await logged.s3.store.update_bucket("logs", lambda old: {**old, **acls_on})
    grant = {"Grantee": {"Type": "CanonicalUser", "ID": OTHER}, "Permission": "READ"}
    enabled = {"TargetBucket": "logs", "TargetPrefix": "p/", "TargetGrants": [grant]}
    await logged.s3.call("PutBucketLogging", bucket_logging_status={"LoggingEnabled": enabled})
    await logged.allow()
    logged.visit()
    await logged.log.flush()
    [(key, _)] = await logged.delivered()
    logged.s3.bucket = logged.s3.store.bucket("logs")
    acl = await logged.s3.call("GetObjectAcl", key=key)
    assert grant in acl["Grants"]


async def test_days_go_to_their_own_objects_by_event_time(logged: Logging) -> None:
    partitioned = {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}
    await logged.begin(TargetObjectKeyFormat=partitioned)
    await logged.allow()
    logged.visit()
    logged.s3.clock.advance(24 * 3600)
    logged.visit()
    await logged.log.flush()
    keys = [key for key, _ in await logged.delivered()]
    assert [key.rpartition("-")[0] for key in keys] == [
        "p/123456789012/us-east-1/bucket/2023/11/14/2023-11-14-00-00-00",
        "p/123456789012/us-east-1/bucket/2023/11/15/2023-11-15-00-00-00",
    ]


async def test_lines_that_wait_are_bounded(
    logged: Logging, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await logged.begin()
    await logged.allow()
    monkeypatch.setattr(access_log, "PENDING_BYTES_MAX", 1000)
    for _ in range(50):
        logged.visit()
    await logged.log.flush()
    [(_, lines)] = await logged.delivered()
    assert 1 <= len(lines) < 10
    assert caplog.records[0].__dict__["fields"] == {"lines": 50 - len(lines)}


async def test_buckets_that_are_not_logged_cost_nothing(logged: Logging) -> None:
    logged.log.add(asked(), Response(200, []), 0, 0.0)
    await logged.log.flush()


async def test_logging_that_ended_delivers_nothing_more(logged: Logging) -> None:
    await logged.begin()
    await logged.allow()
    logged.visit()
    request = asked()
    gone = logged.s3.store.bucket("logs")
    request.visit = Visit(gone, "key", logged.s3.caller, "", "")
    logged.log.add(request, Response(200, []), 0, 0.0)
    await logged.log.flush()
    assert len(await logged.delivered()) == 1
