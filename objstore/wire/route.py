"""Which bucket, key and operation a request is about.

The routing table comes from the service model alone: method, depth of the resource (service,
bucket, object), sub-resource query keys, required query keys and headers. A sub-resource always
leads to its own operation, so that an operation nobody wrote can never fall through to GetObject.
Knows no handler, no ASGI and no signature.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from kms.aws.model import Operation, ServiceModel
from objstore.errors import S3Error
from objstore.wire import quirks

KEY_BYTES_MAX = 1024
NO_TENANT = ":"  # What Ceph's clients put before the name of a bucket that has no tenant.
QUERY_PARAMETERS_MAX = 256
HOSTS_MAX = 1024
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_RESOURCE_TYPES = ("SERVICE", "BUCKET", "OBJECT")


def split_target(raw_path: bytes, host: str, suffixes: tuple[str, ...]) -> tuple[str, str]:
    """The bucket and the key of a request; "" for a part that it does not have.

    `raw_path` is the path as it came, without the query; `host` the Host header; `suffixes` the
    names under which buckets are hosts (`("localhost",)` makes `photos.localhost` a bucket). Both
    parts are percent-decoded exactly once and never normalised. Raises InvalidURI and
    KeyTooLongError.
    """
    if raw_path[:1] != b"/":
        raise S3Error("InvalidURI")
    bucket = hosted_bucket(host, suffixes)
    raw_key = raw_path[1:]
    if not bucket:
        raw_bucket, _, raw_key = raw_key.partition(b"/")
        bucket = _decode(raw_bucket)
        if len(bucket) > len(NO_TENANT):
            bucket = bucket.removeprefix(NO_TENANT)
    key = _decode(raw_key)
    if len(key) * 4 > KEY_BYTES_MAX:
        size = len(key.encode())
        if size > KEY_BYTES_MAX:
            raise S3Error("KeyTooLongError", Size=str(size), MaxSizeAllowed=str(KEY_BYTES_MAX))
    return bucket, key


def parse_query(raw: bytes) -> dict[str, str]:
    """The parameters of a query string, "" for a bare name; the first of equal names counts.

    Raises InvalidURI for bad escapes, bad UTF-8 and more than QUERY_PARAMETERS_MAX parameters.
    """
    parameters: dict[str, str] = {}
    if not raw:
        return parameters
    pairs = raw.split(b"&", QUERY_PARAMETERS_MAX)
    if len(pairs) > QUERY_PARAMETERS_MAX:
        raise S3Error("InvalidURI")
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        if name:
            parameters.setdefault(
                _decode(name.replace(b"+", b" ")), _decode(value.replace(b"+", b" "))
            )
    return parameters


@lru_cache(HOSTS_MAX)
def hosted_bucket(host: str, suffixes: tuple[str, ...]) -> str:
    """The bucket in a Host header under one of `suffixes`; "" if there is none."""
    name = host.rsplit(":", 1)[0].lower() if ":" in host else host.lower()
    for suffix in suffixes:
        if name.endswith("." + suffix):
            return name[: -len(suffix) - 1]
    return ""


def _decode(raw: bytes) -> str:
    try:
        if b"%" not in raw:
            return raw.decode()
        if _BAD_ESCAPE.search(raw):
            raise S3Error("InvalidURI")
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidURI") from None


@dataclass(frozen=True, slots=True)
class _Route:
    operation: str
    fixed: tuple[tuple[str, str], ...]  # query parameters that must have this value
    subresources: frozenset[str]
    query: frozenset[str]
    headers: frozenset[str]

    def fits(self, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        return (
            all(query.get(name) == value for name, value in self.fixed)
            and all(name in query for name in self.query)
            and all(name in headers for name in self.headers)
        )

    @property
    def weight(self) -> int:
        return len(self.fixed) + len(self.query) + len(self.headers)


class Router:
    """The compiled table; `match` is its only question."""

    def __init__(self, routes: Mapping[tuple[str, int], list[_Route]]) -> None:
        self._subresources = frozenset(
            name for group in routes.values() for route in group for name in route.subresources
        )
        self._plain: dict[tuple[str, int], list[_Route]] = {}
        self._by_subresource: dict[tuple[str, int, str], list[_Route]] = {}
        self._selectors: dict[tuple[str, int], frozenset[str]] = {}
        self._methods: dict[int, list[str]] = {0: [], 1: [], 2: []}
        # What a request without a query is, unless it has one of some headers.
        self._bare: dict[tuple[str, int], tuple[str, frozenset[str]]] = {}
        for (method, depth), group in routes.items():
            self._methods[depth].append(method)
            ordered = sorted(group, key=lambda route: -route.weight)
            plain = [route for route in ordered if not route.subresources]
            self._plain[method, depth] = plain
            bare = [route for route in plain if not route.query and not route.fixed]
            if bare and not bare[-1].headers:
                selecting = frozenset(name for route in bare for name in route.headers)
                self._bare[method, depth] = (bare[-1].operation, selecting)
            self._selectors[method, depth] = frozenset(name for r in plain for name in r.query)
            for route in ordered:
                for name in route.subresources:
                    self._by_subresource.setdefault((method, depth, name), []).append(route)

    def match(
        self,
        method: str,
        has_bucket: bool,
        has_key: bool,
        query: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> str:
        """The name of the operation. `headers` has lower-case names. Raises MethodNotAllowed."""
        depth = 0 if not has_bucket else 2 if has_key else 1
        if not query:
            bare = self._bare.get((method, depth))
            if bare is not None and bare[1].isdisjoint(headers):
                return bare[0]
        if method == "OPTIONS" and has_bucket:
            return quirks.PREFLIGHT
        named = [name for name in query if name in self._subresources] if query else ()
        if named:
            return self._by_name(method, depth, named, query, headers)
        if depth == 1 and method == "POST":
            return quirks.FORM_UPLOAD
        present = self._selectors.get((method, depth), frozenset()) & query.keys()
        for route in self._plain.get((method, depth), ()):
            if present <= route.query and route.fits(query, headers):
                return route.operation
        if present:
            return self._nearest(method, depth, present)
        raise self._refusal(method, depth)

    def _nearest(self, method: str, depth: int, present: frozenset[str]) -> str:
        """The operation of the most selectors present; of equals the one that asks for least.

        A request with half of an operation's selectors (`PUT /b/k?partNumber=1`) is that
        operation, whose binder reports what is missing, and not a plain PutObject.
        """
        return max(
            self._plain[method, depth],
            key=lambda route: (len(route.query & present), -route.weight),
        ).operation

    def _by_name(
        self,
        method: str,
        depth: int,
        named: list[str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> str:
        found: list[_Route] = []
        for name in named:
            routes = self._by_subresource.get((method, depth, name))
            if routes is None:
                raise self._refusal(method, depth)
            found += routes
        fitting = [route for route in found if route.fits(query, headers)]
        if fitting:
            return max(fitting, key=lambda route: route.weight).operation
        # Something required is missing: the operation's own binder says what.
        return min(found, key=lambda route: route.weight).operation

    def _refusal(self, method: str, depth: int) -> S3Error:
        return S3Error(
            "MethodNotAllowed",
            headers={"allow": ", ".join(sorted({*self._methods[depth]} - {method}))},
            Method=method,
            ResourceType=_RESOURCE_TYPES[depth],
        )


def compile_routes(model: ServiceModel) -> Router:
    """The router of all operations that are not deprecated or in `quirks.UNROUTED`."""
    routes: dict[tuple[str, int], list[_Route]] = {}
    for operation in model.operations.values():
        if operation.deprecated or operation.name in quirks.UNROUTED:
            continue
        path = operation.uri.partition("?")[0]
        depth = path.count("{")
        route = _route(model, operation)
        routes.setdefault((operation.method, depth), []).append(route)
    return Router(routes)


def _route(model: ServiceModel, operation: Operation) -> _Route:
    fixed: list[tuple[str, str]] = []
    subresources: set[str] = set()
    for item in filter(None, operation.uri.partition("?")[2].split("&")):
        name, equals, value = item.partition("=")
        if equals:
            fixed.append((name, value))
        else:
            subresources.add(name)
    query: set[str] = set()
    headers: set[str] = set()
    shape = model.shape(operation.input) if operation.input else None
    for member in shape.members.values() if shape else ():
        if shape and member.name in shape.required:
            if member.location == "querystring":
                query.add(member.wire_name)
            elif member.location == "header":
                headers.add(member.wire_name.lower())
    return _Route(
        operation.name,
        tuple(fixed),
        frozenset(subresources),
        frozenset(query),
        frozenset(headers),
    )
