"""The condition keys of S3: what a request is about, worked out when a policy asks.

Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html#amazons3-policy-keys
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

from kms.aws import arn, sigv4
from kms.aws.clock import Clock
from kms.aws.context import Source, Value
from kms.aws.identity import Caller
from kms.aws.values import value_class
from objstore.crypt import sse
from objstore.crypt.frames import TamperedError
from objstore.crypt.manifest import Mode
from objstore.errors import AWSError
from objstore.storage.records import Bucket, StoredObject, Upload
from objstore.transfer import tags
from objstore.transfer.upload import read_recipe

HEADER_TYPE = "REST-HEADER"
PRESIGNED_TYPE = "REST-QUERY-STRING"
FORM_TYPE = "POST"
PASS_ROLE, SERVICE = "iam:PassRole", "s3.amazonaws.com"
_EXISTING_TAG = "s3:existingobjecttag/"
_REQUESTED_TAG = "s3:requestobjecttag/"
_REQUEST_TAG = "aws:requesttag/"
_RESOURCE_TAG = "aws:resourcetag/"
_HEADER = "s3:x-amz-"
_ENCRYPTION = "s3:x-amz-server-side-encryption"
_DAY_SECONDS = 86_400


@value_class(frozen=True, slots=True)
class Facts:
    """What a request says besides its resource. `auth_type` is "" for anonymous requests.

    `signed_at` is the date of its signature, in either format that headers have, `tls` a version
    like "1.3". `arguments` are the members bound so far. `wall` is the clock that signatures go by.
    """

    headers: Mapping[str, str]
    query: Mapping[str, str]
    wall: Clock
    auth_type: str = ""
    signed_at: str = ""
    tls: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


@value_class(frozen=True, slots=True)
class Asked:
    """One permission on one resource: `action` as in "s3:GetObject".

    `bucket` is None for what concerns the account itself, and then `key` is the name of a bucket
    to be made, the ARN of a role to be passed, or "". `version_id` is the version that the request
    names. `given` are condition keys that somebody made up, for an explanation.
    """

    caller: Caller
    action: str
    bucket: Bucket | None
    key: str
    facts: Facts
    version_id: str | None = None
    given: Source | None = None

    @property
    def resource(self) -> str:
        """The ARN that policies name."""
        if self.bucket is None:
            if self.action == PASS_ROLE:
                return self.key
            return f"arn:aws:s3:::{self.key}" if self.key else "*"
        if not self.key:
            return f"arn:aws:s3:::{self.bucket.name}"
        return f"arn:aws:s3:::{self.bucket.name}/{self.key}"


Find = Callable[[], StoredObject | None]
FindUpload = Callable[[str], Upload | None]


def request_keys(asked: Asked, clock: Clock, find: Find, find_upload: FindUpload) -> Source:
    """The source of a request's keys. `find` looks up the object that it is about.

    Requests of an upload say nothing about encryption; they are about what it was begun with.
    """

    def value(key: str) -> Value:
        if key.startswith(_ENCRYPTION) and "uploadId" in asked.facts.query:
            return _begun_with(asked, find_upload(asked.facts.query["uploadId"])).get(key)
        known = KEYS.get(key)
        if known is not None:
            return known(asked, clock)
        if key.startswith(_EXISTING_TAG):
            return _tag(_existing_tags(find()), key[len(_EXISTING_TAG) :])
        if key.startswith(_REQUESTED_TAG):
            return _tag(_object_tags_asked(asked), key[len(_REQUESTED_TAG) :])
        if key.startswith(_REQUEST_TAG):
            return _tag(_bucket_tags_asked(asked), key[len(_REQUEST_TAG) :])
        if key.startswith(_RESOURCE_TAG) and asked.bucket is not None:
            listed = asked.bucket.settings.get("tagging") or {}
            return _tag(_of_document(listed), key[len(_RESOURCE_TAG) :])
        if key.startswith(_HEADER):
            return asked.facts.headers.get(key[3:])
        return None

    return value


def _begun_with(asked: Asked, upload: Upload | None) -> Mapping[str, str]:
    """The keys about encryption of an upload in progress; none if it is not of this object."""
    place = None if asked.bucket is None else (asked.bucket.bucket_id, asked.key.encode())
    if upload is None or (upload.bucket_id, upload.key) != place:
        return {}
    try:
        sealed = read_recipe(upload).manifest
    except TamperedError:
        return {}
    if sealed.mode is Mode.SSE_C:
        return {f"{_ENCRYPTION}-customer-algorithm": sse.AES256}
    shown = sse.describe(sealed)
    found = {_ENCRYPTION: shown["ServerSideEncryption"]}
    if "SSEKMSKeyId" in shown:
        found[f"{_ENCRYPTION}-aws-kms-key-id"] = shown["SSEKMSKeyId"]
    return found


def _tag(found: Mapping[str, str], lowered: str) -> str | None:
    return next((text for name, text in found.items() if name.lower() == lowered), None)


def _existing_tags(stored: StoredObject | None) -> Mapping[str, str]:
    if stored is None:
        return {}
    found: Mapping[str, str] = stored.attributes.get(tags.ATTRIBUTE, {})
    return found


def _object_tags_asked(asked: Asked) -> Mapping[str, str]:
    """The tags that an object is to get, by header or by document; none if they make no sense."""
    if asked.bucket is None or not asked.key:
        return {}
    header = asked.facts.headers.get("x-amz-tagging")
    if header is None:
        return _of_document(asked.facts.arguments.get("tagging") or {})
    try:
        return tags.from_header(header)
    except AWSError:
        return {}


def _bucket_tags_asked(asked: Asked) -> Mapping[str, str]:
    """The tags that a bucket is to get, when it is made or later."""
    arguments = asked.facts.arguments
    if asked.bucket is None:
        made = arguments.get("create_bucket_configuration") or {}
        return _of_document({"TagSet": made.get("Tags", ())})
    return {} if asked.key else _of_document(arguments.get("tagging") or {})


def _of_document(document: Mapping[str, Any]) -> Mapping[str, str]:
    return {tag["Key"]: tag["Value"] for tag in document.get("TagSet", ())}


def _from_query(name: str) -> Callable[[Asked, Clock], Value]:
    return lambda asked, clock: asked.facts.query.get(name)


def _from_header(name: str) -> Callable[[Asked, Clock], Value]:
    return lambda asked, clock: asked.facts.headers.get(name)


def _kms_key_id(asked: Asked, clock: Clock) -> Value:
    """The header as the ARN that it means; an alias stays what it is."""
    del clock
    text = asked.facts.headers.get("x-amz-server-side-encryption-aws-kms-key-id")
    if text is None or asked.bucket is None or text.startswith(("arn:", "alias/")):
        return text
    return arn.kms_key(asked.bucket.region, asked.caller.account, text)


def _signature_age(asked: Asked, clock: Clock) -> Value:
    """How old the signature is, in milliseconds."""
    del clock
    if not asked.facts.signed_at:
        return None
    signed_at = sigv4.seconds_of(sigv4.timestamp_of({"x-amz-date": asked.facts.signed_at}))
    return str(int((asked.facts.wall.now() - signed_at) * 1000))


def _signature_version(asked: Asked, clock: Clock) -> Value:
    """The algorithm; signatures of version 2 are those that name no region."""
    del clock
    if not asked.facts.auth_type:
        return None
    return sigv4.ALGORITHM if asked.caller.region else "AWS"


def _lock(member: str, element: str, header: str) -> Callable[[Asked, Clock], Value]:
    """What a document of a retention or a legal hold says, or else the header of a write."""

    def value(asked: Asked, clock: Clock) -> Value:
        del clock
        document = asked.facts.arguments.get(member) or {}
        found = document.get(element)
        if isinstance(found, datetime):
            return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return found if found is not None else asked.facts.headers.get(header)

    return value


_until = _lock("retention", "RetainUntilDate", "x-amz-object-lock-retain-until-date")


def _remaining_days(asked: Asked, clock: Clock) -> Value:
    text = _until(asked, clock)
    try:
        until = datetime.fromisoformat(str(text)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return str(int((until.timestamp() - clock.now()) // _DAY_SECONDS))


def _owner(asked: Asked, clock: Clock) -> Value:
    del clock
    return None if asked.bucket is None else asked.bucket.account


def _location(asked: Asked, clock: Clock) -> Value:
    del clock
    document = asked.facts.arguments.get("create_bucket_configuration") or {}
    location: str | None = document.get("LocationConstraint")
    return location


def _inventory_fields(asked: Asked, clock: Clock) -> Value:
    """The optional fields that a new inventory configuration is to have; absent without any."""
    del clock
    document = asked.facts.arguments.get("inventory_configuration") or {}
    return tuple(document.get("OptionalFields", ())) or None


def _operation_kind(asked: Asked, clock: Clock) -> Value:
    """Whether PutObject permissions are used to make an object as a whole, or a part of one."""
    del clock
    if asked.action != "s3:PutObject":
        return None
    of_part = "partNumber" in asked.facts.query
    starting = "uploads" in asked.facts.query
    return "false" if of_part or starting else "true"


def _passed_to(asked: Asked, clock: Clock) -> Value:
    del clock
    return SERVICE if asked.action == PASS_ROLE else None


KEYS: Mapping[str, Callable[[Asked, Clock], Value]] = {
    "aws:referer": _from_header("referer"),
    "aws:resourceaccount": _owner,
    "aws:tagkeys": lambda asked, clock: tuple(_bucket_tags_asked(asked)),
    "iam:passedtoservice": _passed_to,
    "s3:authtype": lambda asked, clock: asked.facts.auth_type or None,
    "s3:delimiter": _from_query("delimiter"),
    "s3:if-match": _from_header("if-match"),
    "s3:if-none-match": _from_header("if-none-match"),
    "s3:inventoryaccessibleoptionalfields": _inventory_fields,
    "s3:locationconstraint": _location,
    "s3:max-keys": _from_query("max-keys"),
    "s3:object-lock-legal-hold": _lock("legal_hold", "Status", "x-amz-object-lock-legal-hold"),
    "s3:object-lock-mode": _lock("retention", "Mode", "x-amz-object-lock-mode"),
    "s3:object-lock-remaining-retention-days": _remaining_days,
    "s3:object-lock-retain-until-date": _until,
    "s3:objectcreationoperation": _operation_kind,
    "s3:prefix": _from_query("prefix"),
    "s3:requestobjecttagkeys": lambda asked, clock: tuple(_object_tags_asked(asked)),
    "s3:resourceaccount": _owner,
    "s3:signatureage": _signature_age,
    "s3:signatureversion": _signature_version,
    "s3:tlsversion": lambda asked, clock: asked.facts.tls or None,
    "s3:versionid": lambda asked, clock: asked.version_id,
    "s3:x-amz-server-side-encryption-aws-kms-key-id": _kms_key_id,
}
