"""The server's own pages under `/_/`, which no bucket name can start with: a Starlette app.

Health is there for everyone who can reach the port, metrics for clients on this machine unless the
operator opens them. Neither says anything about objects, keys or accounts. Traces, the clock and
reset exist only with `--dev`, and not for other people's pages in a browser on this machine.
"""

from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from kms.aws import clock_control, local_pages
from kms.aws.clock import ServiceClock
from kms.aws.clock_control import ClockError
from kms.aws.local_pages import is_asked_here
from objstore import metrics
from objstore.trace import TraceFile

Page = Callable[[Request], Awaitable[Response]]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REFUSAL = "metrics are for clients on the server's machine, unless it has --metrics public\n"


def internal_app(
    *,
    ready: Callable[[], bool],
    traces: TraceFile | None,
    reset: Callable[[], Awaitable[None]] | None,
    clock: ServiceClock | None = None,
    caught_up: Callable[[], Awaitable[None]] | None = None,
    metrics_for_all: bool = False,
) -> Starlette:
    """`ready` says whether requests can be served; what may be None is for `--dev`.

    `caught_up` waits until the background work has been done for the present of `clock`.
    """

    async def health(request: Request) -> Response:
        is_ready = ready()
        return JSONResponse({"live": True, "ready": is_ready}, status_code=200 if is_ready else 503)

    async def show_metrics(request: Request) -> Response:
        if not (metrics_for_all or _is_of_this_machine(request)):
            return PlainTextResponse(REFUSAL, status_code=403)
        return Response(metrics.render(), headers={"content-type": METRICS_TYPE})

    async def show_traces(request: Request) -> Response:
        assert traces is not None
        query = request.query_params
        found = await traces.find(
            request_id=query.get("request-id", ""),
            operation=query.get("operation", ""),
            resource=query.get("resource", ""),
        )
        return JSONResponse(found)

    async def do_reset(request: Request) -> Response:
        assert reset is not None
        await reset()
        return PlainTextResponse("reset\n")

    async def show_clock(request: Request) -> Response:
        assert clock is not None
        if request.method == "POST":
            try:
                clock_control.move(clock, await request.body())
            except ClockError as error:
                return JSONResponse({"error": str(error)}, status_code=400)
            if caught_up is not None:
                await caught_up()
        return JSONResponse(clock_control.show(clock))

    routes = [Route("/_/health", health), Route("/_/metrics", show_metrics)]
    if traces is not None:
        routes.append(Route("/_/trace", _for_here(show_traces)))
    if reset is not None:
        routes.append(Route("/_/reset", _for_here(do_reset), methods=["POST"]))
    if clock is not None:
        routes.append(Route("/_/clock", _for_here(show_clock), methods=["GET", "POST"]))
    return Starlette(routes=routes)


def _for_here(page: Page) -> Page:
    """A page for those only who ask on this machine and for themselves."""

    async def show(request: Request) -> Response:
        if not is_asked_here(request.headers):
            return JSONResponse({"error": local_pages.REFUSAL}, status_code=403)
        return await page(request)

    return show


def _is_of_this_machine(request: Request) -> bool:
    """Whether the connection comes from a loopback address; what headers say does not count."""
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
