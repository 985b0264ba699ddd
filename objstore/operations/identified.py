"""The configurations that a bucket has many of: inventory, analytics, metrics, tiering.

They are stored, shown and listed here. `objstore.inventory` writes the reports of an inventory; the
others have nothing to act on (see docs/differences.md).
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketInventoryConfiguration.html
and its neighbours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from objstore.call import Call, Reply
from objstore.errors import S3Error
from objstore.rules import identified
from objstore.transfer import subresources

CONFIGURATIONS_MAX = 1000
CONFIGURATIONS_LISTED_MAX = 100

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of configuration: its setting, its name in replies, its check."""

    setting: str
    member: str
    check: Callable[[Document], None]
    mismatch: str = "MalformedXML"  # the error for a document with another id

    async def put(self, call: Call, identity: str, document: Document) -> Reply:
        """Store one. Raises `mismatch`, TooManyConfigurations, and what the check raises."""
        identified.check_id(identity, document, mismatch=self.mismatch)
        self.check(document)

        def change(settings: Mapping[str, Any]) -> Mapping[str, Any]:
            stored = {**settings.get(self.setting, {}), identity: document}
            if len(stored) > CONFIGURATIONS_MAX:
                raise S3Error("TooManyConfigurations")
            return {**settings, self.setting: stored}

        await subresources.change(call, change)
        return {}

    def get(self, call: Call, identity: str) -> Reply:
        """Show one. Raises NoSuchConfiguration."""
        document = call.bucket.settings.get(self.setting, {}).get(identity)
        if document is None:
            raise S3Error("NoSuchConfiguration")
        return {self.member: document}

    async def delete(self, call: Call, identity: str) -> Reply:
        """Remove one. Raises NoSuchConfiguration."""

        def change(settings: Mapping[str, Any]) -> Mapping[str, Any]:
            stored = dict(settings.get(self.setting, {}))
            if stored.pop(identity, None) is None:
                raise S3Error("NoSuchConfiguration")
            return {**settings, self.setting: stored}

        await subresources.change(call, change)
        return {}

    def list(self, call: Call, continuation_token: str | None) -> Reply:
        """Show a page of them by id. Raises InvalidArgument for a token that is none."""
        stored = call.bucket.settings.get(self.setting, {})
        tokens, listing = call.services.tokens, (self.member.encode(), call.bucket.bucket_id)
        after = ""
        if continuation_token:
            after = tokens.read(listing, continuation_token).decode()
        found = sorted(identity for identity in stored if identity > after)
        page = found[:CONFIGURATIONS_LISTED_MAX]
        truncated = len(found) > len(page)
        return {
            f"{self.member}List": [stored[identity] for identity in page],
            "IsTruncated": truncated,
            "ContinuationToken": continuation_token,
            "NextContinuationToken": (
                tokens.make(listing, page[-1].encode()) if truncated else None
            ),
        }


INVENTORY = Family("inventory", "InventoryConfiguration", identified.check_inventory, "IdMismatch")
ANALYTICS = Family("analytics", "AnalyticsConfiguration", identified.check_analytics)
METRICS = Family("metrics", "MetricsConfiguration", identified.check_metrics, "IdMismatch")
TIERING = Family("intelligent_tiering", "IntelligentTieringConfiguration", identified.check_tiering)


async def put_bucket_inventory_configuration(
    call: Call, *, id: str, inventory_configuration: Document
) -> Reply:
    return await INVENTORY.put(call, id, inventory_configuration)


async def get_bucket_inventory_configuration(call: Call, *, id: str) -> Reply:
    return INVENTORY.get(call, id)


async def delete_bucket_inventory_configuration(call: Call, *, id: str) -> Reply:
    return await INVENTORY.delete(call, id)


async def list_bucket_inventory_configurations(
    call: Call, *, continuation_token: str | None = None
) -> Reply:
    return INVENTORY.list(call, continuation_token)


async def put_bucket_analytics_configuration(
    call: Call, *, id: str, analytics_configuration: Document
) -> Reply:
    return await ANALYTICS.put(call, id, analytics_configuration)


async def get_bucket_analytics_configuration(call: Call, *, id: str) -> Reply:
    return ANALYTICS.get(call, id)


async def delete_bucket_analytics_configuration(call: Call, *, id: str) -> Reply:
    return await ANALYTICS.delete(call, id)


async def list_bucket_analytics_configurations(
    call: Call, *, continuation_token: str | None = None
) -> Reply:
    return ANALYTICS.list(call, continuation_token)


async def put_bucket_metrics_configuration(
    call: Call, *, id: str, metrics_configuration: Document
) -> Reply:
    return await METRICS.put(call, id, metrics_configuration)


async def get_bucket_metrics_configuration(call: Call, *, id: str) -> Reply:
    return METRICS.get(call, id)


async def delete_bucket_metrics_configuration(call: Call, *, id: str) -> Reply:
    return await METRICS.delete(call, id)


async def list_bucket_metrics_configurations(
    call: Call, *, continuation_token: str | None = None
) -> Reply:
    return METRICS.list(call, continuation_token)


async def put_bucket_intelligent_tiering_configuration(
    call: Call, *, id: str, intelligent_tiering_configuration: Document
) -> Reply:
    return await TIERING.put(call, id, intelligent_tiering_configuration)


async def get_bucket_intelligent_tiering_configuration(call: Call, *, id: str) -> Reply:
    return TIERING.get(call, id)


async def delete_bucket_intelligent_tiering_configuration(call: Call, *, id: str) -> Reply:
    return await TIERING.delete(call, id)


async def list_bucket_intelligent_tiering_configurations(
    call: Call, *, continuation_token: str | None = None
) -> Reply:
    return TIERING.list(call, continuation_token)
