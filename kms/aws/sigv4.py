"""AWS Signature Version 4, as pure functions: parse, make canonical, sign. No clock, no errors.

Text that came off the wire is bytes decoded as latin-1, so that it can be encoded back unchanged.
A leaf: it knows neither credentials nor what a service answers; `kms.aws.authentication` does.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
and https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from kms.aws.values import value_class

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_SHA256 = SHA256()
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
SIGNING_KEYS_MAX = 1024
PARSED_MAX = 1024
SIGNED_HEADERS_MAX = 100
SIGNED_HEADERS_CHARACTERS_MAX = 4_096  # parsed ones are kept, and anybody can send them
CREDENTIAL_CHARACTERS_MAX = 512
QUERY_PARAMETERS_MAX = 1000
UNRESERVED = "-_.~"
# Header values are latin-1 text, where a bare strip() would also take bytes of UTF-8 letters.
BLANKS = " \t"
EXPECTED_CREDENTIAL = '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request"'


class FormatError(ValueError):
    """Signature information that is not well-formed; the text says what is wrong, as S3 does."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A credential scope; `text` is `date/region/service/aws4_request`, `date` is YYYYMMDD."""

    date: str
    region: str
    service: str
    text: str


@dataclass(frozen=True, slots=True)
class Authorization:
    """Who claims to have signed which headers. `signed_headers` are lower-case, in order."""

    access_key_id: str
    scope: Scope
    signed_headers: tuple[str, ...]


@value_class(frozen=True, slots=True)
class SigningContext:
    """A verified signature and its key, from which the signatures of chunks follow.

    `seed` is the request's signature in hex, `timestamp` YYYYMMDD'T'HHMMSS'Z'.
    """

    key: HMAC = field(repr=False)
    scope: str
    timestamp: str
    seed: str

    def chunk_signature(self, previous: str, chunk_sha256: str) -> str:
        """The signature of a chunk after the one whose signature is `previous`."""
        text = (
            f"AWS4-HMAC-SHA256-PAYLOAD\n{self.timestamp}\n{self.scope}\n{previous}\n"
            f"{EMPTY_SHA256}\n{chunk_sha256}"
        )
        return sign(self.key, text)

    def trailer_signature(self, previous: str, trailer_sha256: str) -> str:
        """The signature of the trailing headers after the zero chunk."""
        text = (
            f"AWS4-HMAC-SHA256-TRAILER\n{self.timestamp}\n{self.scope}\n{previous}\n"
            f"{trailer_sha256}"
        )
        return sign(self.key, text)


def collect_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; the values of a repeated header are joined with `,`."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        if key in headers:
            text = headers[key].strip(BLANKS) + "," + text.strip(BLANKS)
        headers[key] = text
    return headers


def parse_authorization(value: str) -> tuple[Authorization, str]:
    """Read an `Authorization` header: what it claims, and the signature in hex.

    Raises FormatError unless it has the algorithm and each of the three parts exactly once.
    """
    head, found, signature = value.rpartition("Signature=")
    if not found or "," in signature:
        head, signature = _signature_last(value)
    return _parse_claim(head), signature.strip(" ")


def parse_presigned(credential: str, signed_headers: str) -> Authorization:
    """Read `X-Amz-Credential` and `X-Amz-SignedHeaders`, decoded. Raises FormatError."""
    return Authorization(*_parse_credential(credential), _parse_signed_headers(signed_headers))


def _signature_last(value: str) -> tuple[str, str]:
    """Move the signature of an oddly ordered header to its end."""
    algorithm, _, rest = value.partition(" ")
    others, signatures = [], []
    for part in rest.split(","):
        name, _, text = part.strip(" ").partition("=")
        if name == "Signature":
            signatures.append(text)
        else:
            others.append(part)
    if len(signatures) != 1:
        raise FormatError("expecting exactly one Signature.")
    return f"{algorithm} {','.join(others)},", signatures[0]


@lru_cache(maxsize=PARSED_MAX)
def _parse_claim(head: str) -> Authorization:
    """Parse all before the signature, which a client repeats from request to request."""
    algorithm, _, rest = head.partition(" ")
    if algorithm != ALGORITHM:
        raise FormatError(f"expecting the algorithm {ALGORITHM}.")
    parts: dict[str, str] = {}
    for part in rest.strip(" ,").split(","):
        name, _, text = part.strip(" ").partition("=")
        if name in parts:
            raise FormatError(f"{name} is given more than once.")
        parts[name] = text
    if parts.keys() != {"Credential", "SignedHeaders"}:
        raise FormatError("expecting Credential, SignedHeaders and Signature.")
    return parse_presigned(parts["Credential"], parts["SignedHeaders"])


def _parse_credential(text: str) -> tuple[str, Scope]:
    parts = text.split("/")
    if len(parts) != 5 or len(text) > CREDENTIAL_CHARACTERS_MAX or not text.isascii():
        raise FormatError(f"the Credential is mal-formed; expecting {EXPECTED_CREDENTIAL}.")
    access_key_id, date, region, service, terminator = parts
    if not access_key_id:
        raise FormatError("a non-empty Access Key (AKID) must be provided in the credential.")
    if len(date) != 8 or not (date.isascii() and date.isdigit()):
        raise FormatError(
            f'incorrect date format "{date}". This date in the credential must be in the format '
            '"yyyyMMdd".'
        )
    if not region:
        raise FormatError("a non-empty region must be provided in the credential.")
    if terminator != TERMINATOR:
        raise FormatError(f'incorrect terminal "{terminator}". This endpoint uses "{TERMINATOR}".')
    return access_key_id, Scope(date, region, service, "/".join(parts[1:]))


def _parse_signed_headers(text: str) -> tuple[str, ...]:
    names = tuple(text.split(";"))
    too_many = len(names) > SIGNED_HEADERS_MAX or len(text) > SIGNED_HEADERS_CHARACTERS_MAX
    if too_many or len(set(names)) != len(names) or "" in names:
        raise FormatError("SignedHeaders is mal-formed.")
    if text != text.lower():
        raise FormatError("SignedHeaders must be in lower case.")
    return names


def query_parameters(raw_query: str) -> list[tuple[str, str]]:
    """Names and values of a raw query, decoded to latin-1 text, in order. `+` is a space."""
    return [
        (_decode(name), _decode(value))
        for name, _, value in (piece.partition("=") for piece in _pieces(raw_query))
    ]


def _pieces(raw_query: str) -> list[str]:
    pieces = [piece for piece in raw_query.split("&") if piece]
    if len(pieces) > QUERY_PARAMETERS_MAX:
        raise FormatError("the query string has too many parameters.")
    return pieces


def _decode(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    return unquote_to_bytes(text.replace("+", " ").encode("latin-1")).decode("latin-1")


def _encode(text: str) -> str:
    """One query name or value as it was sent, decoded and encoded the canonical way."""
    if text.isascii() and text.isalnum():
        return text
    return quote(_decode(text).encode("latin-1"), safe=UNRESERVED)


def canonical_query(raw_query: str) -> str:
    """Encode and sort by name, then value; `X-Amz-Signature` is never part of what is signed."""
    if not raw_query:
        return ""
    pairs = [
        (_encode(name), _encode(value))
        for name, _, value in (piece.partition("=") for piece in _pieces(raw_query))
    ]
    pairs.sort()
    return "&".join([f"{name}={value}" for name, value in pairs if name != "X-Amz-Signature"])


def canonical_path(raw_path: str, service: str) -> str:
    """The path to sign. S3 signs it as it was sent; every other service encodes it once more."""
    if service == "s3" or raw_path == "/":
        return raw_path or "/"
    return quote((raw_path or "/").encode("latin-1"), safe="/" + UNRESERVED)


def canonical_request(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    *,
    signed_headers: Sequence[str],
    payload_hash: str,
) -> str:
    """Join the parts; `path` and `query` are canonical. A header that is missing is empty."""
    names = tuple(signed_headers)
    lines = _header_lines(names) % tuple([headers.get(name, "").strip(BLANKS) for name in names])
    while "  " in lines:
        lines = lines.replace("  ", " ")
    return f"{method}\n{path}\n{query}\n{lines}\n{payload_hash}"


@lru_cache(maxsize=PARSED_MAX)
def _header_lines(names: tuple[str, ...]) -> str:
    """The lines of a canonical request about headers, with a place for the value of each."""
    lines = [name.replace("%", "%%") + ":%s\n" for name in names]
    return "".join(lines) + "\n" + ";".join(names).replace("%", "%%")


def string_to_sign(timestamp: str, scope: Scope, canonical: str) -> str:
    digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    return f"{ALGORITHM}\n{timestamp}\n{scope.text}\n{digest}"


@lru_cache(maxsize=SIGNING_KEYS_MAX)
def signing_key(secret_access_key: str, date: str, region: str, service: str) -> HMAC:
    """Derive the key of one day, region and service. A changed secret is another cache entry.

    The key is one that HMAC-SHA256 is set up with already, because most signatures are made with
    the key of an earlier one. It is copied for use, never changed.
    """
    key = hmac.digest(f"AWS4{secret_access_key}".encode(), date.encode("latin-1"), "sha256")
    key = hmac.digest(key, region.encode("latin-1"), "sha256")
    key = hmac.digest(key, service.encode("latin-1"), "sha256")
    return HMAC(hmac.digest(key, TERMINATOR.encode(), "sha256"), _SHA256)


def sign(key: HMAC, text: str) -> str:
    """The signature of a string to sign, in hex."""
    mac = key.copy()
    mac.update(text.encode("latin-1"))
    return mac.finalize().hex()


def same_text(left: str, right: str) -> bool:
    """Whether two secrets or signatures are equal, in time that does not tell where they differ."""
    return hmac.compare_digest(left.encode(), right.encode())


@lru_cache(maxsize=PARSED_MAX)
def seconds_of(timestamp: str) -> int:
    """Seconds since 1970 of `20130524T000000Z`. Raises FormatError."""
    digits = timestamp[0:8] + timestamp[9:15]
    well_formed = len(timestamp) == 16 and timestamp[8] == "T" and timestamp[15] == "Z"
    if not (well_formed and digits.isascii() and digits.isdigit()):
        raise FormatError("the date is not in the ISO8601 Long Format.")
    fields = [int(digits[0:4]), *(int(digits[at : at + 2]) for at in range(4, 14, 2))]
    try:
        return int(datetime(*fields, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]
    except ValueError:
        raise FormatError("the date is not a date.") from None


def timestamp_of(headers: Mapping[str, str]) -> str:
    """The time that a request was signed at, from `x-amz-date` or else `date` (either format).

    Raises FormatError if there is neither or it cannot be read.
    """
    text = headers.get("x-amz-date") or headers.get("date", "")
    if len(text) == 16:
        seconds_of(text)
        return text
    try:
        moment = parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise FormatError("the date cannot be read.") from None
    return f"{moment:%Y%m%dT%H%M%SZ}"
