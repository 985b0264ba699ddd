"""The doors of services whose requests are small: KMS, CloudTrail (JSON 1.1), IAM, STS (query).

A body is read whole, authenticated with the request, and handed to the service.
"""

from collections.abc import Awaitable, Callable

from kms.aws.audit import new_event_id
from kms.aws.authentication import authenticate
from kms.aws.clock import Clock
from kms.aws.errors import AWSError
from kms.aws.identity import ANONYMOUS, Caller, Credentials, Principal
from kms.aws.json_protocol import BODY_BYTES_MAX, NO_CALL, is_call, render_error
from kms.aws.model import load
from objstore.account.service import AccountService
from objstore.authenticate import NoteUse, ignore_use
from objstore.exchange import Headers, Request, Response
from objstore.protocol import whole_body
from objstore.wire import query

FORM_BODY_BYTES_MAX = 512 * 1024
JSON_TYPE = b"application/x-amz-json-1.1"
XML_TYPE = b"application/xml"

KMSPreparation = Callable[[str, bytes], Awaitable[None]]
Answer = tuple[int, bytes | bytearray]
KMSHandler = Callable[[str, bytes, Caller], Answer]

# What anybody may ask: the request carries a proof of its own.
UNSIGNED = frozenset({"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"})


class Identification:
    """Authenticates requests whose whole body is at hand; `note_use` hears of each."""

    def __init__(
        self,
        credentials: Credentials,
        clock: Clock,
        *,
        note_use: NoteUse = ignore_use,
        permissive: Principal | None = None,
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._note_use = note_use
        self._permissive = permissive

    def identify(self, request: Request, body: bytes, *, service: str) -> Caller:
        credential, region = authenticate(
            request.method,
            request.raw_path.decode("latin-1"),
            request.raw_query.decode("latin-1"),
            request.headers,
            body,
            credentials=self._credentials,
            clock=self._clock,
            service=service,
            permissive=self._permissive,
        )
        self._note_use(credential, service, region)
        request.account = credential.principal.account
        return caller_of(request, credential.principal, credential.access_key_id, region)


def caller_of(request: Request, principal: Principal, access_key_id: str, region: str) -> Caller:
    """The caller of a request."""
    return Caller(
        principal,
        access_key_id,
        region,
        request.request_id,
        request.source_ip,
        request.headers.get("user-agent", ""),
        request.secure,
    )


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises RequestEntityTooLarge above `limit` bytes."""
    body = None if request.connection is None else whole_body(request.connection)
    if body is None:
        body = await _receive_body(request, limit)
    elif len(body) > limit:
        raise _too_large()
    request.received_bytes = len(body)
    return body


async def _receive_body(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise AWSError("RequestAbortedException", "The client went away")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large()
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _too_large() -> AWSError:
    return AWSError("RequestEntityTooLarge", "The request is too large", status=413)


class JSONDoor:
    """A service of JSON 1.1 on the common port: `X-Amz-Target: Prefix.Operation`."""

    def __init__(
        self,
        service: str,
        answer: Callable[[str, bytes, Caller], Awaitable[Answer]],
        identification: Identification,
        *,
        internal_error: str = "InternalFailure",
    ) -> None:
        self._service = service
        self._answer = answer
        self._identification = identification
        self._codes = {
            "InternalError": internal_error,
            "RequestEntityTooLarge": "RequestEntityTooLargeException",
        }
        self._operations = frozenset(load(service).operations)

    async def handle(self, request: Request) -> Response:
        request.request_id = new_event_id()
        target = request.headers.get("x-amz-target", "")
        operation = target.rpartition(".")[2]
        request.operation = operation if operation in self._operations else "Unknown"
        body = await read_body(request, BODY_BYTES_MAX)
        caller = self._identification.identify(request, body, service=self._service)
        if not is_call(request.method, request.headers.get("content-type", "")):
            return self._respond(request, 404, NO_CALL, XML_TYPE)
        status, document = await self._answer(target, body, caller)
        return self._respond(request, status, document)

    def fail(self, request: Request, error: AWSError) -> Response:
        code = self._codes.get(error.code, error.code)
        shown = AWSError(code, error.message, status=error.status)
        return self._respond(request, error.status, render_error(shown))

    def _respond(
        self,
        request: Request,
        status: int,
        document: bytes | bytearray,
        content_type: bytes = JSON_TYPE,
    ) -> Response:
        return Response(
            status,
            [
                (b"content-type", content_type),
                (b"content-length", b"%d" % len(document)),
                (b"x-amzn-requestid", request.request_id.encode()),
                (b"cache-control", b"no-cache, no-store, must-revalidate, private"),
            ],
            document,
        )


def kms_door(
    handle: KMSHandler, prepare: KMSPreparation, identification: Identification
) -> JSONDoor:
    """KMS on the common port: `X-Amz-Target: TrentService.Operation`."""

    async def answer(target: str, body: bytes, caller: Caller) -> Answer:
        await prepare(target, body)
        return handle(target, body, caller)

    return JSONDoor("kms", answer, identification, internal_error="KMSInternalException")


class QueryDoor:
    """IAM or STS on the common port: a form with `Action`.

    `region` is that of unsigned requests.
    """

    def __init__(
        self, account: AccountService, identification: Identification, *, region: str
    ) -> None:
        self._account = account
        self._identification = identification
        self._region = region
        self._model = load(account.service)
        operations = self._model.operations
        self._binders = {
            name: query.compile_input(self._model, operations[name], handler)
            for name, handler in account.handlers.items()
        }
        self._renderers = {
            name: query.compile_output(self._model, operations[name]) for name in account.handlers
        }

    async def handle(self, request: Request) -> Response:
        request.request_id = new_event_id()
        body = await read_body(request, FORM_BODY_BYTES_MAX)
        form = query.parse_form(body if request.method == "POST" else request.raw_query)
        if form.get("Action") in UNSIGNED:
            caller = caller_of(request, ANONYMOUS, "", self._region)
        else:
            caller = self._identification.identify(request, body, service=self._account.service)
        operation = query.find_operation(self._model, form).name
        request.operation = operation
        try:
            self._account.handler(operation)
            arguments = self._binders[operation](form)
        except AWSError as error:
            self._account.refuse(operation, caller, error)
            raise
        reply = await self._account.call(operation, arguments, caller)
        return self._respond(request, self._renderers[operation](reply, request.request_id))

    def fail(self, request: Request, error: AWSError) -> Response:
        if error.code == "InternalError":
            error = AWSError("InternalFailure", error.message, status=error.status)
        status, headers, body = query.render_error(
            self._model, error, request_id=request.request_id
        )
        headers += [(name.encode(), value.encode()) for name, value in error.headers.items()]
        return self._respond(request, (status, headers, body))

    def _respond(self, request: Request, rendered: tuple[int, Headers, bytes]) -> Response:
        status, headers, body = rendered
        headers.append((b"x-amzn-requestid", request.request_id.encode()))
        return Response(status, headers, body)
