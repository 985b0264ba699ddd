"""The documents of a bucket that are put, got and deleted whole: one table, one way for all.

A document is checked, stored in `Bucket.settings` as the API shapes it, and given back. What a
bucket answers that never had one is in the table too: an error, or the document that S3 shows.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html and its neighbours.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from objstore.call import Call, Reply
from objstore.errors import S3Error
from objstore.names import US_EAST_1
from objstore.rules import access, acl, cors, lifecycle, notification, replication, website
from objstore.storage.records import Bucket
from objstore.transfer import events, subresources, versions

Handler = Callable[..., Awaitable[Reply]]
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SubResource:
    """One document: the setting that holds it, the member that carries it, its check.

    `check` gives what is stored, None to store nothing. `absent` is the code of the error for a
    bucket without a document, or what is shown instead. `member` is the reply's member that is
    the document; None if the reply is the document. `default` is what a new bucket has: a bucket
    that lost it has None stored.
    """

    setting: str
    argument: str
    check: Callable[[Call, Any], Any]
    absent: str | Document
    member: str | None = None
    default: Document | None = None
    shown: Callable[[Any], Any] | None = None


def put(resource: SubResource) -> Handler:
    """The operation that stores the document."""

    async def handler(call: Call, **members: Any) -> Reply:
        document = resource.check(call, members[resource.argument])
        await _store(call, resource, document)
        return {}

    # Binding looks at signatures to see which members a handler takes.
    call, keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    handler.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("call", call), inspect.Parameter(resource.argument, keyword)]
    )
    return handler


def get(resource: SubResource) -> Handler:
    """The operation that shows it."""

    async def handler(call: Call) -> Reply:
        document = call.bucket.settings.get(resource.setting, resource.default)
        if document is None:
            if isinstance(resource.absent, str):
                raise S3Error(resource.absent, BucketName=call.bucket.name)
            document = resource.absent
        elif resource.shown is not None:
            document = resource.shown(document)
        return {resource.member: document} if resource.member else dict(document)

    return handler


def delete(resource: SubResource) -> Handler:
    """The operation that removes it; removing what is not there is no error."""

    async def handler(call: Call) -> Reply:
        await _store(call, resource, None)
        return {}

    return handler


async def _store(call: Call, resource: SubResource, document: Any) -> None:
    """Store a document, or that there is none. Raises NoSuchBucket."""
    if document is None and resource.default is None:
        await subresources.remove(call, resource.setting)
    else:
        await subresources.put(call, resource.setting, document)


def _pure(check: Callable[[Any], Any]) -> Callable[[Call, Any], Any]:
    """A check that needs nothing but the document."""
    return lambda _call, document: check(document)


def _check_accelerate(call: Call, document: Document) -> Document:
    if "." in call.bucket.name:
        raise S3Error(
            "InvalidRequest",
            "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names",
        )
    if document.get("Status") not in ("Enabled", "Suspended"):
        raise S3Error("MalformedXML")
    return document


def _check_logging(call: Call, document: Document) -> Any:
    """The target is a bucket of the same account and region. An empty document ends logging."""
    enabled = document.get("LoggingEnabled")
    if enabled is None:
        return None
    source, name = call.bucket, enabled["TargetBucket"]
    target = call.services.store.bucket(name)
    if target is None or target.account != source.account:
        message = "The target bucket for logging does not exist"
        if target is not None:
            message = (
                "The owner for the bucket to be logged and the target bucket must be the same."
            )
        raise S3Error("InvalidTargetBucketForLogging", message, TargetBucket=name)
    if target.region != source.region:
        places = {"TargetBucketLocation": target.region}
        if source.region != US_EAST_1:
            places["SourceBucketLocation"] = source.region
        raise S3Error("CrossLocationLoggingProhibitted", None, headers=None, **places)
    grants = enabled.get("TargetGrants") or []
    if any(grant.get("Permission") not in {None, *acl.PERMISSIONS} for grant in grants):
        raise S3Error("MalformedXML")
    if grants and _acls_are_off(target):
        raise S3Error(
            "InvalidArgument",
            "Target grants cannot be used with a target bucket whose ACLs are disabled.",
            ArgumentName="TargetGrants",
        )
    formats = enabled.get("TargetObjectKeyFormat")
    if formats is not None and len(formats) != 1:
        raise S3Error("MalformedXML")
    return document


def _acls_are_off(bucket: Bucket) -> bool:
    return access.object_ownership(bucket.settings) == access.OWNER_ENFORCED


def _check_replication(call: Call, document: Document) -> Document:
    """Both buckets keep versions."""
    if not _keeps_versions(call.bucket):
        raise S3Error(
            "InvalidRequest",
            "Versioning must be 'Enabled' on the bucket to apply a replication configuration",
        )
    kept = replication.check(document)
    call.authorize("iam:PassRole", None, kept["Role"])
    for rule in kept["Rules"]:
        target = call.services.store.bucket(replication.destination_bucket(rule))
        if target is None or not _keeps_versions(target):
            raise S3Error("InvalidRequest", "Destination bucket must have versioning enabled.")
        if target.name == call.bucket.name:
            raise S3Error("InvalidRequest", "Destination bucket cannot be the same as source.")
    return kept


def _keeps_versions(bucket: Bucket) -> bool:
    return versions.status(bucket) == versions.ENABLED


def _check_ownership(call: Call, document: Document) -> Document:
    kept = access.check_ownership(document)
    ownership = kept["Rules"][0]["ObjectOwnership"]
    if ownership == access.OWNER_ENFORCED and call.bucket.settings.get("acl") is not None:
        raise S3Error("InvalidBucketAclWithObjectOwnership")
    return kept


CORS = SubResource("cors", "cors_configuration", _pure(cors.check), "NoSuchCORSConfiguration")
WEBSITE = SubResource(
    "website", "website_configuration", _pure(website.check), "NoSuchWebsiteConfiguration"
)
REQUEST_PAYMENT = SubResource(
    "request_payment",
    "request_payment_configuration",
    _pure(lambda document: document),
    {"Payer": "BucketOwner"},
)
ACCELERATE = SubResource("accelerate", "accelerate_configuration", _check_accelerate, {})
LOGGING = SubResource("logging", "bucket_logging_status", _check_logging, {})
LIFECYCLE = SubResource(
    lifecycle.SETTING,
    "lifecycle_configuration",
    _pure(lifecycle.check),
    "NoSuchLifecycleConfiguration",
    shown=lifecycle.shown,
)
NOTIFICATION = SubResource(
    notification.SETTING, "notification_configuration", _pure(notification.check), {}
)
REPLICATION = SubResource(
    replication.SETTING,
    "replication_configuration",
    _check_replication,
    "ReplicationConfigurationNotFoundError",
    member="ReplicationConfiguration",
)
OWNERSHIP = SubResource(
    access.OWNERSHIP,
    "ownership_controls",
    _check_ownership,
    "OwnershipControlsNotFoundError",
    member="OwnershipControls",
    default=access.ENFORCED_DOCUMENT,
)
PUBLIC_ACCESS_BLOCK = SubResource(
    access.PUBLIC_ACCESS_BLOCK,
    "public_access_block_configuration",
    _pure(access.check_public_access_block),
    "NoSuchPublicAccessBlockConfiguration",
    member="PublicAccessBlockConfiguration",
    default=access.BLOCK_ALL,
)

put_bucket_cors = put(CORS)
get_bucket_cors = get(CORS)
delete_bucket_cors = delete(CORS)
put_bucket_website = put(WEBSITE)
get_bucket_website = get(WEBSITE)
delete_bucket_website = delete(WEBSITE)
put_bucket_request_payment = put(REQUEST_PAYMENT)
get_bucket_request_payment = get(REQUEST_PAYMENT)
put_bucket_accelerate_configuration = put(ACCELERATE)
get_bucket_accelerate_configuration = get(ACCELERATE)
put_bucket_logging = put(LOGGING)
get_bucket_logging = get(LOGGING)
get_bucket_lifecycle_configuration = get(LIFECYCLE)
delete_bucket_lifecycle = delete(LIFECYCLE)
get_bucket_notification_configuration = get(NOTIFICATION)
put_bucket_replication = put(REPLICATION)
get_bucket_replication = get(REPLICATION)
delete_bucket_replication = delete(REPLICATION)
put_bucket_ownership_controls = put(OWNERSHIP)
get_bucket_ownership_controls = get(OWNERSHIP)
delete_bucket_ownership_controls = delete(OWNERSHIP)
put_public_access_block = put(PUBLIC_ACCESS_BLOCK)
get_public_access_block = get(PUBLIC_ACCESS_BLOCK)
delete_public_access_block = delete(PUBLIC_ACCESS_BLOCK)


async def put_bucket_notification_configuration(
    call: Call,
    *,
    notification_configuration: Document,
    skip_destination_validation: bool | None = None,
) -> Reply:
    """Every destination must be one that events can be delivered to, and gets a test event."""
    document = notification.check(notification_configuration)
    if "EventBridgeConfiguration" in document:
        raise S3Error("NotImplemented", "EventBridgeConfiguration is not implemented")
    targets = notification.parse_targets(call.services.settings.notify)
    region, account = call.bucket.region, call.bucket.account
    for _, arn in notification.destinations(document):
        reached = notification.reaches(targets, arn, region=region, account=account)
        if not reached and not skip_destination_validation:
            raise S3Error(
                "InvalidArgument",
                "Unable to validate the following destination configurations",
                ArgumentName=arn,
                ArgumentValue="The destination does not exist",
            )
    await _store(call, NOTIFICATION, document or None)
    await call.services.store.outbox.add(events.tests(call, document))
    return {}


async def put_bucket_lifecycle_configuration(
    call: Call,
    *,
    lifecycle_configuration: Document | None = None,
    transition_default_minimum_object_size: str | None = None,
) -> Reply:
    """Rules that name no object size transition objects from 128 KiB on, unless told otherwise."""
    if lifecycle_configuration is None:
        raise S3Error("MissingRequestBodyError")
    minimum = transition_default_minimum_object_size or lifecycle.ALL_CLASSES_128K
    if minimum not in lifecycle.MINIMUM_SIZES:
        raise S3Error(
            "InvalidRequest", f"Invalid TransitionDefaultMinimumObjectSize found: {minimum}"
        )
    document = {**lifecycle.check(lifecycle_configuration), lifecycle.MINIMUM_SIZE: minimum}
    await _store(call, LIFECYCLE, document)
    return {lifecycle.MINIMUM_SIZE: minimum}
