"""The S3 door: from an HTTP request to an operation and back.

One path for every route: find the operation, authenticate, find the bucket, authorize, bind, call,
render. An operation without a handler answers 501 by its own name; nothing falls through to
another operation.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from kms.aws.authentication import Request as SignedRequest
from kms.aws.clock import Clock
from kms.aws.identity import ANONYMOUS, Caller
from kms.aws.model import Operation, ServiceModel, load
from objstore.actions import AFTER_BINDING, PER_KEY, action_of
from objstore.authenticate import Authenticated, Authenticator
from objstore.authorize import Authorizer, refusal
from objstore.browsers import cors_headers, preflight
from objstore.call import Call, Reply, Services, Trace
from objstore.checksum import Algorithm, check_document
from objstore.condition_keys import FORM_TYPE, HEADER_TYPE, PRESIGNED_TYPE, Asked, Facts
from objstore.errors import CATALOGUE, AWSError, S3Error
from objstore.exchange import Headers, Request, Response, Visit
from objstore.forms import Form, answer, upload_of
from objstore.names import key_bytes
from objstore.operations import OPERATIONS
from objstore.payload import Payload
from objstore.payment import CHARGED, is_charged
from objstore.presigned import check_hoisted, with_hoisted
from objstore.signature_v2 import SCHEME
from objstore.storage.records import Bucket
from objstore.trace import TraceFile
from objstore.trail import Noted, Trail
from objstore.transfer.spool import Spool
from objstore.wire.bind import body_bytes_max, compile_input, needs_document
from objstore.wire.quirks import CHECKSUM_OPTIONAL, FORM_UPLOAD, PREFLIGHT
from objstore.wire.render import compile_output, render_error
from objstore.wire.route import compile_routes, hosted_bucket, parse_query, split_target

LOGGING = "logging"
REGION_HEADER = "x-amz-bucket-region"
# What a website's visitor can ask of an object: a part of it, or only what is new.
PUBLIC_HEADERS = (
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
)
VERSION_PARAMETER = "versionId"
# What a GET or HEAD says of an object that is not there is for those who may list the bucket.
_MISSING = frozenset({"NoSuchKey", "NoSuchVersion"})
_LISTING = "s3:ListBucket"
# What is asked of who sends a list of keys that cannot be read.
_DELETION, _ANY_KEY = "s3:DeleteObject", "*"
_READING = "s3:GetObject"
EXPECTED_OWNER_HEADER = "x-amz-expected-bucket-owner"


def _signed(request: Request) -> SignedRequest:
    return SignedRequest(
        request.method,
        request.raw_path.decode("latin-1"),
        request.raw_query.decode("latin-1"),
        request.headers,
    )


def _caller(request: Request, authenticated: Authenticated) -> Caller:
    """Who asks, noted in the request for the log too."""
    caller = Caller(
        authenticated.principal,
        authenticated.access_key_id,
        authenticated.region,
        request.request_id,
        request.source_ip,
        request.headers.get("user-agent", ""),
        request.secure,
    )
    request.account = caller.account
    return caller


def _anonymous(request: Request, bucket: Bucket) -> Caller:
    """Nobody in particular, who asks for something in this bucket."""
    return Caller(
        ANONYMOUS,
        "",
        bucket.region,
        request.request_id,
        request.source_ip,
        request.headers.get("user-agent", ""),
        request.secure,
    )


def _visit(
    bucket: Bucket,
    key: str,
    caller: Caller,
    authenticated: Authenticated,
    query: Mapping[str, str],
) -> Visit:
    """What the access log is told of a request."""
    kind = ""
    if authenticated.credential is not None:
        kind = "QueryString" if authenticated.presigned else "AuthHeader"
    return Visit(bucket, key, caller, query.get(VERSION_PARAMETER, ""), kind)


def _facts(
    request: Request, authenticated: Authenticated, query: Mapping[str, str], wall: Clock
) -> Facts:
    """What policies may ask about a request."""
    kind, signed_at = "", ""
    if authenticated.credential is not None and authenticated.presigned:
        kind, signed_at = PRESIGNED_TYPE, query.get("X-Amz-Date", "")
    elif authenticated.credential is not None:
        kind = HEADER_TYPE
        signed_at = request.headers.get("x-amz-date") or request.headers.get("date", "")
    return Facts(request.headers, query, wall, kind, signed_at, request.tls_version)


def _listing(asked: Asked) -> Asked:
    """May the caller list the bucket by what the key of their request begins with: itself?"""
    facts = replace(asked.facts, query={"prefix": asked.key})
    return replace(asked, action=_LISTING, key="", facts=facts)


class DocumentSum(Enum):
    """What the checksum headers of a request with a document are to it."""

    FOREIGN = auto()  # they are about an object
    OPTIONAL = auto()
    REQUIRED = auto()


def _document_sum(model: ServiceModel, operation: Operation) -> DocumentSum:
    members = model.shape(operation.input).members if operation.input else {}
    if any(name == algorithm.member for name in members for algorithm in Algorithm):
        return DocumentSum.FOREIGN
    optional = not operation.checksum_required or operation.name in CHECKSUM_OPTIONAL
    return DocumentSum.OPTIONAL if optional else DocumentSum.REQUIRED


@dataclass(frozen=True, slots=True)
class Compiled:
    """Everything about one operation that is worked out once, at the start.

    `document_bytes_max` is None for an operation whose body is not a document; `streams` tells
    one whose body is the object's bytes, which must say how many they are. `version_action` is
    the permission for a request that names a version.
    """

    handler: Callable[..., Any]
    action: str
    version_action: str
    bind: Callable[..., dict[str, Any]]
    render: Callable[[Reply], tuple[int, Headers, Any]]
    document_bytes_max: int | None
    document_sum: DocumentSum
    streams: bool


async def _document(request: Request, compiled: Compiled, payload: Payload) -> bytes:
    """The whole body of a request that is a document, and what its sender meant to send."""
    assert compiled.document_bytes_max is not None
    document = await payload.read(compiled.document_bytes_max)
    if document and compiled.document_sum is not DocumentSum.FOREIGN:
        check_document(
            document,
            request.headers,
            trailer_names=payload.trailer_names,
            trailers=payload.trailers,
            required=compiled.document_sum is DocumentSum.REQUIRED,
        )
    return document


class Gateway:
    """Serves S3 requests. One a worker process."""

    def __init__(
        self,
        services: Services,
        *,
        authenticator: Authenticator,
        authorizer: Authorizer,
        wall: Clock,
        traces: TraceFile | None,
        trail: Trail,
    ) -> None:
        model = load("s3")
        self._services = services
        self._settings = services.settings
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._wall = wall
        self._traces = traces
        self._trail = trail
        self._router = compile_routes(model)
        self._operations: Mapping[str, Compiled] = {
            name: Compiled(
                handler,
                action_of(name),
                action_of(name, of_version=True),
                compile_input(model, model.operations[name], handler),
                compile_output(model, model.operations[name]),
                body_bytes_max(model.operations[name])
                if needs_document(model, model.operations[name])
                else None,
                _document_sum(model, model.operations[name]),
                "body" in inspect.signature(handler).parameters,
            )
            for name, handler in OPERATIONS.items()
        }

    async def handle(self, request: Request) -> Response:
        """Answer an S3 request. Errors become error documents in `fail`, which callers use."""
        host = request.headers.get("host", "")
        bucket_name, key = split_target(request.raw_path, host, self._settings.domains)
        query = parse_query(request.raw_query)
        headers = with_hoisted(query, request.headers) if query else request.headers
        request.operation = self._router.match(
            request.method, bool(bucket_name), bool(key), query, headers
        )
        if request.operation == PREFLIGHT:
            return preflight(request, self._services.store.bucket(bucket_name), key=key)
        if bucket_name and "origin" in request.headers:
            request.cors_headers = cors_headers(request, self._services.store.bucket(bucket_name))
        if request.operation == FORM_UPLOAD:
            return await self._form(request, bucket_name)
        old = headers.get("authorization", "").startswith(SCHEME)
        hosted = hosted_bucket(host, self._settings.domains) if query or old else ""
        authenticated = self._authenticator.authenticate(_signed(request), hosted_bucket=hosted)
        check_hoisted(query, headers)
        request.headers = headers
        caller = _caller(request, authenticated)
        if self._trail.wants(request.operation):
            request.noted = Noted(caller, bucket_name, key, query)
        compiled = self._operations.get(request.operation)
        if compiled is None:
            raise S3Error(
                "NotImplemented",
                f"The operation {request.operation} is not implemented",
                Operation=request.operation,
            )
        bucket = self._bucket(request, bucket_name, caller)
        if bucket is not None and LOGGING in bucket.settings:
            request.visit = _visit(bucket, key, caller, authenticated, query)
        facts = _facts(request, authenticated, query, self._wall)
        version_id = query.get(VERSION_PARAMETER)
        action = compiled.action if version_id is None else compiled.version_action
        asked = Asked(caller, action, bucket, key if bucket else bucket_name, facts, version_id)
        if request.operation not in AFTER_BINDING and request.operation not in PER_KEY:
            self._check(request, asked)
        payload = Payload(
            request.receive, authenticated, request.headers, length_required=compiled.streams
        )
        try:
            document = None
            if compiled.document_bytes_max is not None:
                document = await _document(request, compiled, payload)
            arguments = compiled.bind(key or None, query, request.headers, document, payload)
            if request.operation == "CreateBucket":
                arguments["bucket"] = bucket_name
            if request.operation in AFTER_BINDING:
                asked = replace(asked, facts=replace(facts, arguments=arguments))
                self._check(request, asked)
            return await self._call(request, compiled, asked, arguments)
        except AWSError:
            if authenticated.credential is None:
                self._check_unread(request, asked)
            raise
        finally:
            request.received_bytes = payload.received

    async def _form(self, request: Request, bucket_name: str) -> Response:
        """An upload from a browser: authenticated by its fields, stored by PutObject."""
        form = Form(request, region=self._settings.region)
        fields = await form.read_fields()
        authenticated = self._authenticator.authenticate_form(_signed(request), fields)
        caller = _caller(request, authenticated)
        if self._trail.wants(request.operation):
            request.noted = Noted(caller, bucket_name, "", {})
        bucket = self._bucket(request, bucket_name, caller)
        upload = upload_of(
            fields, bucket=bucket_name, filename=form.filename, now=self._authenticator.now()
        )
        if bucket is not None and LOGGING in bucket.settings:
            request.visit = _visit(bucket, upload.key, caller, authenticated, {})
        signed_at = fields.get("x-amz-date", "")
        kind = "" if authenticated.credential is None else FORM_TYPE
        facts = Facts(upload.headers, {}, self._wall, kind, signed_at, request.tls_version)
        asked = Asked(caller, "s3:PutObject", bucket, upload.key, facts)
        if request.noted is not None:
            request.noted.key = upload.key
        self._check(request, asked)
        compiled = self._operations["PutObject"]
        spool = Spool(self._services.store)
        try:
            await form.read_file(spool, upload.sizes)
            arguments = compiled.bind(upload.key, {}, upload.headers, None, spool)
            stored = await self._call(request, compiled, asked, arguments)
        finally:
            spool.close()
        return answer(upload, request, stored, bucket=bucket_name)

    async def read_publicly(self, request: Request, bucket: Bucket, key: str) -> Response:
        """The object for a visitor of a website, whoever that is."""
        compiled = self._operations["HeadObject" if request.method == "HEAD" else "GetObject"]
        caller = _anonymous(request, bucket)
        if LOGGING in bucket.settings and request.visit is None:
            request.visit = Visit(bucket, key, caller, "", "")
        facts = Facts(request.headers, {}, self._wall, "", "", request.tls_version)
        asked = Asked(caller, compiled.action, bucket, key, facts)
        self._authorizer.check(asked)
        sent = {name: request.headers[name] for name in PUBLIC_HEADERS if name in request.headers}
        arguments = compiled.bind(key, {}, sent, None, None)
        return await self._call(request, compiled, asked, arguments)

    async def _call(
        self, request: Request, compiled: Compiled, asked: Asked, arguments: dict[str, Any]
    ) -> Response:
        if request.noted is not None:
            request.noted.arguments = arguments
        charged = is_charged(asked)

        def authorize_further(
            action: str, bucket: Bucket | None, key: str, version_id: str | None = None
        ) -> None:
            nonlocal charged
            further = Asked(asked.caller, action, bucket, key, asked.facts, version_id)
            self._check(request, further)
            if bucket is not asked.bucket:
                charged |= is_charged(further)

        trace = Trace(enabled=self._traces is not None)
        call = Call(
            asked.caller,
            self._services,
            authorize_further,
            asked.bucket,
            trace,
            request.operation,
        )
        try:
            reply = await compiled.handler(call, **arguments)
        except S3Error as error:
            if error.code in _MISSING and asked.bucket is not None:
                self._check(request, _listing(asked))
            raise
        finally:
            self._keep_trace(request, trace)
        status, headers, body = compiled.render(reply)
        self._trail.tell(request, headers)
        if charged:
            headers.append(CHARGED)
        return Response(status, headers, body)

    def _check(self, request: Request, asked: Asked) -> None:
        """Return if it is allowed; the trail hears what decided.

        Raises AccessDenied, NoSuchKey for what the caller may not read but see in a listing.
        """
        decision = self._authorizer.decide(asked)
        if request.noted is not None:
            request.noted.action, request.noted.decided = asked.action, decision
        if decision.allowed:
            return
        if asked.action == _READING and not decision.explicit and self._is_seen_missing(asked):
            raise S3Error("NoSuchKey", Key=asked.key)
        raise refusal(asked, decision)

    def _is_seen_missing(self, asked: Asked) -> bool:
        """Whether there is no such object, and the caller's right to list tells them so."""
        assert asked.bucket is not None
        if not self._authorizer.may(_listing(asked)):
            return False
        identity = asked.bucket.bucket_id
        return self._services.store.object(identity, key_bytes(asked.key), inline=False) is None

    def _check_unread(self, request: Request, asked: Asked) -> None:
        """Tell the anonymous that they may not, before what is wrong with their document."""
        if request.operation in AFTER_BINDING:
            self._check(request, asked)
        elif request.operation in PER_KEY:
            self._check(request, replace(asked, action=_DELETION, key=_ANY_KEY))

    def _bucket(self, request: Request, name: str, caller: Caller) -> Bucket | None:
        """The bucket of the path, in the caller's region and of the expected owner."""
        if not name or request.operation == "CreateBucket":
            return None
        bucket = self._services.store.bucket(name)
        if bucket is None:
            raise S3Error("NoSuchBucket", BucketName=name)
        if request.noted is not None:
            request.noted.bucket = bucket
        elsewhere = caller.region not in ("", bucket.region) and caller.access_key_id
        # Where a bucket is may be asked from everywhere; all else goes to its region.
        if elsewhere and request.operation != "GetBucketLocation":
            raise S3Error(
                "AuthorizationHeaderMalformed",
                f"The authorization header is malformed; the region '{caller.region}' is wrong; "
                f"expecting '{bucket.region}'",
                headers={REGION_HEADER: bucket.region},
                Region=bucket.region,
            )
        expected = request.headers.get(EXPECTED_OWNER_HEADER)
        if expected is not None and expected != bucket.account:
            if caller.access_key_id and not re.fullmatch(r"\d{12}", expected):
                raise S3Error(
                    "InvalidBucketOwnerAWSAccountID",
                    f"{CATALOGUE['InvalidBucketOwnerAWSAccountID'][1]} [{expected}]",
                )
            raise S3Error("AccessDenied")
        return bucket

    def _visit_of_nobody(self, request: Request) -> Visit | None:
        """What the access log is told of a request that failed before it was authenticated."""
        try:
            name, key = split_target(
                request.raw_path, request.headers.get("host", ""), self._settings.domains
            )
        except S3Error:
            return None
        bucket = self._services.store.bucket(name)
        if bucket is None or LOGGING not in bucket.settings:
            return None
        return Visit(bucket, key, _anonymous(request, bucket), "", "")

    def _keep_trace(self, request: Request, trace: Trace) -> None:
        if self._traces is not None:
            self._traces.keep(
                trace,
                request_id=request.request_id,
                operation=request.operation,
                resource=request.raw_path.decode("latin-1"),
            )

    def fail(self, request: Request, error: AWSError) -> Response:
        """The error document of `error`, which the trail hears of too."""
        self._trail.tell(request, [], error)
        if request.visit is None and not request.account:
            request.visit = self._visit_of_nobody(request)
        if request.visit is not None:
            request.visit.error_code = error.code
        status, headers, body = render_error(
            error,
            request_id=request.request_id,
            host_id=request.host_id,
            head=request.method == "HEAD",
        )
        return Response(status, headers, body)
