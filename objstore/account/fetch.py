"""Fetches the documents of OpenID Connect issuers that the configuration names.

https, or http on this machine; no redirects, no proxies, a small body, a short wait.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.parse import urlsplit

BYTES_MAX = 256 * 1024
SECONDS_MAX = 5.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """Follow nobody elsewhere."""
        return None


_OPENER = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


def fetch_json(url: str) -> Mapping[str, Any]:
    """The JSON object at `url`. Blocking. Raises OSError or ValueError."""
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in LOOPBACK
    if parts.scheme != "https" and not local:
        raise ValueError("an issuer's documents are fetched by https only")
    try:
        with _OPENER.open(url, timeout=SECONDS_MAX) as response:
            body = response.read(BYTES_MAX + 1)
    except HTTPException as error:
        raise OSError(str(error)) from None
    if len(body) > BYTES_MAX:
        raise ValueError("the document is too large")
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("the document is not a JSON object")
    return document
