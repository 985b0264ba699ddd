"""Server access logs: a line a request, gathered, and delivered as objects to the target bucket.

As at AWS this is best effort: lines wait in memory, a bounded number of them, and what cannot be
delivered is dropped. S3's log service writes the objects, so the target bucket must let it: by its
policy, or by an ACL that grants the log delivery group to write.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from kms.aws.clock import Clock, utc
from kms.aws.errors import AWSError
from kms.aws.identity import Caller, PrincipalKind
from objstore.authorize import Authorizer
from objstore.call import Call, Services, nothing_further
from objstore.condition_keys import Asked, Facts
from objstore.delivery import service_caller
from objstore.exchange import Request, Response, Visit
from objstore.operations.write import put_object
from objstore.rules import access, access_log, acl
from objstore.storage.records import Bucket
from objstore.transfer.attributes import AttributeHeaders
from objstore.transfer.content import ContentHeaders
from objstore.transfer.spool import Spool

LOG = logging.getLogger("objstore.access_log")
SETTING = "logging"
SERVICE = "logging.s3.amazonaws.com"
PENDING_BYTES_MAX = 8 * 1024 * 1024
TEXT = ContentHeaders(content_type="text/plain")


@dataclass(slots=True)
class _Pending:
    """Lines of one bucket that go to one object."""

    bucket: Bucket
    day: date
    lines: list[str] = field(default_factory=list)


class AccessLog:
    """Gathers and delivers the lines of one worker. Times are those of the wall clock."""

    def __init__(self, services: Services, authorizer: Authorizer, wall: Clock) -> None:
        self._services = services
        self._authorizer = authorizer
        self._wall = wall
        self._pending: dict[tuple[bytes, date], _Pending] = {}
        self._bytes = 0
        self._dropped = 0

    def add(self, request: Request, response: Response, sent: int, seconds: float) -> None:
        """Keep the line of a request to a bucket that is logged."""
        visit = request.visit
        if visit is None or self._services.store.bucket(visit.bucket.name) is None:
            return
        at = utc(self._wall.now())
        text = access_log.line(self._visited(request, visit, response, sent, seconds, at))
        if self._bytes + len(text) > PENDING_BYTES_MAX:
            self._dropped += 1
            return
        self._bytes += len(text)
        bucket = visit.bucket
        pending = self._pending.setdefault(
            (bucket.bucket_id, at.date()), _Pending(bucket, at.date())
        )
        pending.lines.append(text)

    def _visited(
        self,
        request: Request,
        visit: Visit,
        response: Response,
        sent: int,
        seconds: float,
        at: datetime,
    ) -> access_log.Visited:
        bucket, headers = visit.bucket, request.headers
        query = request.raw_query.decode("latin-1")
        target = request.raw_path.decode("latin-1") + (f"?{query}" if query else "")
        return access_log.Visited(
            owner=self._services.account(bucket.account).canonical_id,
            bucket=bucket.name,
            at=at,
            source_ip=request.source_ip,
            requester=self._requester(visit.caller),
            request_id=request.request_id,
            operation=request.operation,
            method=request.method,
            key=visit.key,
            target=target,
            status=response.status,
            error_code=visit.error_code,
            sent=sent,
            object_size=_object_size(request, response),
            milliseconds=round(seconds * 1000),
            referer=headers.get("referer", ""),
            user_agent=headers.get("user-agent", ""),
            version_id=visit.version_id,
            host_id=request.host_id,
            authentication=visit.authentication,
            host=headers.get("host", ""),
            tls=request.tls_version,
            region=bucket.region,
        )

    def _requester(self, caller: Caller) -> str:
        """An account by its canonical id, others by their ARN; "" for nobody."""
        principal = caller.principal
        if principal.kind is PrincipalKind.ANONYMOUS:
            return ""
        if principal.kind is PrincipalKind.ROOT:
            return self._services.account(principal.account).canonical_id
        return principal.arn

    async def flush(self) -> None:
        """Deliver all lines so far."""
        waiting, self._pending = self._pending, {}
        dropped, self._dropped = self._dropped, 0
        self._bytes = 0
        if dropped:
            LOG.warning("access log lines were dropped", extra={"fields": {"lines": dropped}})
        merged: dict[tuple[str, date | None], _Pending] = {}
        for pending in waiting.values():
            enabled = (pending.bucket.settings.get(SETTING) or {}).get("LoggingEnabled")
            if enabled is None:
                continue
            day = pending.day if access_log.by_event_time(enabled) else None
            kept = merged.setdefault(
                (pending.bucket.name, day), _Pending(pending.bucket, pending.day)
            )
            kept.lines += pending.lines
        for pending in merged.values():
            try:
                await self._deliver(pending)
            except AWSError as error:
                fields = {"bucket": pending.bucket.name, "reason": error.code}
                LOG.warning("an access log was not delivered", extra={"fields": fields})

    async def _deliver(self, pending: _Pending) -> None:
        source = pending.bucket
        enabled = source.settings[SETTING]["LoggingEnabled"]
        target = self._services.store.bucket(enabled["TargetBucket"])
        if target is None:
            return
        at = utc(self._wall.now())
        if access_log.by_event_time(enabled):
            at = datetime.combine(pending.day, datetime.min.time(), at.tzinfo)
        key = access_log.object_key(
            enabled, account=source.account, region=source.region, bucket=source.name, at=at
        )
        caller = service_caller(SERVICE, source, target)
        self._check(Asked(caller, "s3:PutObject", target, key, Facts({}, {}, self._wall)))
        spool = Spool(self._services.store)
        try:
            await spool.add([("\n".join(pending.lines) + "\n").encode()])
            call = Call(caller, self._services, nothing_further, target)
            grants = _grants(enabled.get("TargetGrants", ()))
            await put_object(call, key=key, body=spool, headers=TEXT, attributes=grants)
        finally:
            spool.close()

    def _check(self, asked: Asked) -> None:
        """Return if the log service may write. Raises AccessDenied."""
        bucket = asked.bucket
        assert bucket is not None
        granted = (bucket.settings.get(acl.SETTING) or {}).get("Grants", [])
        by_acl = any(
            grant["Grantee"].get("URI") == acl.LOG_DELIVERY
            and grant["Permission"] in ("WRITE", acl.FULL_CONTROL)
            for grant in granted
        )
        enforced = access.object_ownership(bucket.settings) == access.OWNER_ENFORCED
        if enforced or not by_acl:
            self._authorizer.check(asked)


def _grants(grants: Sequence[Mapping[str, Any]]) -> AttributeHeaders:
    """The target grants of a configuration as the headers of a write; objects have no WRITE."""
    named: dict[str, list[str]] = {"READ": [], acl.FULL_CONTROL: []}
    for grant in grants:
        grantee = grant["Grantee"]
        text = f'id="{grantee["ID"]}"' if "ID" in grantee else f'uri="{grantee["URI"]}"'
        named.setdefault(grant["Permission"], []).append(text)
    return AttributeHeaders(
        grant_read=", ".join(named["READ"]) or None,
        grant_full_control=", ".join(named[acl.FULL_CONTROL]) or None,
    )


def _object_size(request: Request, response: Response) -> int | None:
    """The size of the object that went in or out."""
    headers = dict(response.headers)
    if request.operation in ("PutObject", "PostObject", "UploadPart"):
        return request.received_bytes if response.status < 300 else None
    if request.operation not in ("GetObject", "HeadObject") or response.status >= 300:
        return None
    total = headers.get(b"content-range", b"").rpartition(b"/")[2]
    return int(total or headers.get(b"content-length", b"0"))
