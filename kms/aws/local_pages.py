"""Who may use the own pages of a development server, which need no signature: who is here.

A browser on this machine can reach the server for any page that it shows. It names that page's
origin when it sends something; and a page whose host name has been made to lead here (DNS
rebinding) asks under that name. So both names must be this machine's.
Sources: https://fetch.spec.whatwg.org/#origin-header, https://www.w3.org/TR/fetch-metadata/
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

REFUSAL = "this page is for programs and pages of the server's machine"
_LOCAL = "localhost"


def is_asked_here(headers: Mapping[str, str]) -> bool:
    """Whether a request's headers, by lower-case name, name no host but this machine."""
    if headers.get("sec-fetch-site") == "cross-site" or not _is_here(headers.get("host", "")):
        return False
    origin = headers.get("origin")
    return origin is None or _is_here(origin.partition("://")[2])


def _is_here(netloc: str) -> bool:
    try:
        host = urlsplit(f"//{netloc}").hostname or ""
        return host == _LOCAL or host.endswith(f".{_LOCAL}") or ip_address(host).is_loopback
    except ValueError:
        return False
