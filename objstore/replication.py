"""Sends new versions to the buckets that replication rules name; both are on this server.

S3 takes on the role of the configuration, which must trust `s3.amazonaws.com`, and does as the role
may: read and decrypt at the source, write and encrypt at the destination. What cannot be done now
is tried again; what is refused is FAILED. Versions of one key go in their order.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kms.aws.clock import Clock
from kms.aws.errors import AWSError
from kms.aws.identity import Caller, Principal
from objstore.authorize import Authorizer
from objstore.call import Call, Services, Trace, nothing_further
from objstore.condition_keys import Asked, Facts
from objstore.crypt.frames import TamperedError
from objstore.crypt.manifest import Mode, decode
from objstore.errors import S3Error
from objstore.protocol import new_request_id
from objstore.rules import replication
from objstore.storage.records import (
    Bucket,
    BusyError,
    Message,
    NoSpaceError,
    Queued,
    StoredObject,
    StoreError,
)
from objstore.trace import TraceFile
from objstore.transfer import events, tags
from objstore.transfer.outgoing import ATTRIBUTE, COMPLETED, FAILED, KIND, MACS
from objstore.transfer.replicas import replicate, replicate_marker
from objstore.transfer.sealed_replicas import replicate_sealed

LOG = logging.getLogger("objstore.replication")
MESSAGES_A_RUN = 50
KEYS_AT_ONCE = 4
ATTEMPTS_MAX = 20
PAUSE_SECONDS_MAX = 600
SESSION = "s3-replication"
OPERATION = "ReplicateObject"

Roles = Callable[[str, Bucket], Principal | None]
"""The session of a role, by its ARN, for a source bucket."""


class Replication:
    """Works the outbox's replication off. One a server."""

    def __init__(
        self,
        services: Services,
        authorizer: Authorizer,
        wall: Clock,
        roles: Roles,
        traces: TraceFile | None = None,
    ) -> None:
        self._services = services
        self._authorizer = authorizer
        self._wall = wall
        self._roles = roles
        self._traces = traces
        self._slots = asyncio.Semaphore(KEYS_AT_ONCE)

    async def run(self) -> bool:
        """Send a bounded part of what is due; whether more may be left."""
        outbox, now_ms = self._services.store.outbox, self._now_ms()
        waiting = outbox.due(KIND, now_ms=now_ms, limit=MESSAGES_A_RUN)
        by_key: dict[tuple[str, str], list[Queued]] = {}
        for queued in waiting:
            body = queued.message.body
            by_key.setdefault((body["bucket_id"], body["key"]), []).append(queued)
        postponed: list[tuple[Queued, int]] = []
        for late in await asyncio.gather(*map(self._versions, by_key.values())):
            postponed += late
        left = {queued.identity for queued, _ in postponed}
        done = [queued.identity for queued in waiting if queued.identity not in left]
        await outbox.settle(done, postponed)
        return len(waiting) == MESSAGES_A_RUN and len(postponed) < len(waiting)

    def _now_ms(self) -> int:
        return int(self._services.clock.now() * 1000)

    async def _versions(self, versions: Sequence[Queued]) -> list[tuple[Queued, int]]:
        """Send the versions of a key in order; those that wait, with their time."""
        async with self._slots:
            for number, queued in enumerate(versions):
                left = await self._version(queued)
                if left:
                    body = {**queued.message.body, "rules": left}
                    attempts = queued.attempts + 1
                    again = replace(queued, attempts=attempts, message=Message(KIND, body))
                    pause = min(2**attempts, PAUSE_SECONDS_MAX)
                    due_ms = self._now_ms() + pause * 1000
                    return [(again, due_ms), *((later, due_ms) for later in versions[number + 1 :])]
        return []

    async def _version(self, queued: Queued) -> list[str]:
        """Send a version by its rules; those that are to be tried again."""
        body, store = queued.message.body, self._services.store
        source = store.bucket(body["bucket"])
        if source is None or source.bucket_id.hex() != body["bucket_id"]:
            return []
        stored = store.object(source.bucket_id, body["key"].encode(), body["version_id"])
        document = source.settings.get(replication.SETTING)
        if stored is None or document is None:
            return []
        status, left = COMPLETED, []
        for rule in document["Rules"]:
            if rule["ID"] not in body["rules"] or rule["Status"] != "Enabled":
                continue
            try:
                await self._send(source, stored, document["Role"], rule, body.get(MACS, {}))
            except (BusyError, NoSpaceError):
                left.append(rule["ID"])
            except (AWSError, StoreError, TamperedError) as error:
                if _passing(error) and queued.attempts + 1 < ATTEMPTS_MAX:
                    left.append(rule["ID"])
                else:
                    status = FAILED
                    _note(source, stored, rule, error)
        if not left:
            await self._mark(source, stored, status)
        return left

    async def _send(
        self,
        source: Bucket,
        stored: StoredObject,
        role: str,
        rule: Mapping[str, Any],
        macs: Mapping[str, str],
    ) -> None:
        """One version to one bucket. Raises what is wrong."""
        store = self._services.store
        target = store.bucket(replication.destination_bucket(rule))
        if target is None:
            raise S3Error("NoSuchBucket")
        if store.object(target.bucket_id, stored.key, stored.version_id, inline=False) is not None:
            return
        principal = self._roles(role, source)
        if principal is None:
            raise S3Error("AccessDenied", f"S3 may not take on the role {role}")
        caller = Caller(principal, SESSION, source.region, new_request_id(), secure=True)
        self._authorize(caller, source, target, stored)
        trace = Trace(enabled=self._traces is not None)
        caller = replace(caller, region=target.region)
        call = Call(caller, self._services, nothing_further, target, trace, OPERATION)
        try:
            if stored.delete_marker:
                await replicate_marker(call, stored)
            elif decode(stored.manifest).mode is Mode.SSE_C:
                await replicate_sealed(call, stored, rule, macs)
            else:
                await replicate(call, source, stored, rule)
        finally:
            self._keep_trace(call, stored)

    def _keep_trace(self, call: Call, stored: StoredObject) -> None:
        if self._traces is not None:
            self._traces.keep(
                call.trace,
                request_id=call.caller.request_id,
                operation=call.operation,
                resource=f"/{call.bucket.name}/{stored.key.decode()}",
            )

    def _authorize(
        self, caller: Caller, source: Bucket, target: Bucket, stored: StoredObject
    ) -> None:
        """Return if the role may read there and write here. Raises AccessDenied."""
        key, version_id = stored.key.decode(), stored.version_id
        wanted = [("s3:GetObjectVersionForReplication", source), ("s3:ReplicateObject", target)]
        if stored.delete_marker:
            wanted = [("s3:ReplicateDelete", target)]
        elif tags.ATTRIBUTE in stored.attributes:
            wanted += [("s3:GetObjectVersionTagging", source), ("s3:ReplicateTags", target)]
        facts = Facts({}, {}, self._wall)
        for action, bucket in wanted:
            named = version_id if bucket is source else None
            self._authorizer.check(Asked(caller, action, bucket, key, facts, named))

    async def _mark(self, source: Bucket, stored: StoredObject, status: str) -> None:
        """Show at the source what became of it, and tell of a failure."""
        if stored.delete_marker:
            return
        messages: tuple[Message, ...] = ()
        if status == FAILED:
            messages = events.message(
                source,
                "Replication:OperationFailedReplication",
                stored.key,
                events.describe(stored),
                owner=self._services.account(source.account).canonical_id,
                caller=None,
                now_ms=self._now_ms(),
            )
        await self._services.store.update_object(
            source.bucket_id,
            stored.key,
            version_id=stored.version_id,
            change=lambda found: replace(found, attributes={**found.attributes, ATTRIBUTE: status}),
            messages=messages,
        )


def _passing(error: Exception) -> bool:
    """Whether an error may go away by itself."""
    return isinstance(error, AWSError) and error.status >= 500 and error.code != "NotImplemented"


def _note(source: Bucket, stored: StoredObject, rule: Mapping[str, Any], error: Exception) -> None:
    code = error.code if isinstance(error, AWSError) else type(error).__name__
    fields = {"bucket": source.name, "version": stored.version_id, "rule": rule["ID"], "code": code}
    LOG.warning("a version was not replicated", extra={"fields": fields})
