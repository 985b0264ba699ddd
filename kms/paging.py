"""List markers: the last name of a page, encoded so that clients treat it as opaque."""

import base64
import binascii

from kms.errors import KMSError


def marker_of(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def position_of(marker: str | None) -> str:
    """The name that a marker stands for, "" without one. Raises InvalidMarkerException."""
    if marker is None:
        return ""
    try:
        name = base64.b64decode(marker.encode(), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise KMSError("InvalidMarkerException") from None
    if marker_of(name) != marker:
        raise KMSError("InvalidMarkerException")
    return name
