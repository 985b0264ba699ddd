"""What an operation is given besides its members: the caller, the services, the bucket."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from kms.aws.clock import Clock
from kms.aws.identity import Caller
from objstore.storage.records import Bucket

if TYPE_CHECKING:
    from objstore.account.directory import Account
    from objstore.crypt.data_keys import DataKeys
    from objstore.settings import Settings
    from objstore.storage.store import Store
    from objstore.tokens import Tokens

Reply = dict[str, Any]
"""An operation's output, keyed by the model's member names (`{"ETag": …}`)."""

STATUS = "StatusCode"
"""The key of a reply's HTTP status, for those that do not have the model's."""

REGION = "Region"
"""The key of where the bucket of a listing is, which S3 tells in a header."""

ROWS = "Rows"
"""The key of (member name, element) pairs: the order that elements of several lists share."""


class Trace:
    """The steps that one request took, for people who want to watch envelope encryption.

    Only servers started with `--dev` keep traces; elsewhere `steps` is None and `step` does
    nothing. Values are printable and never secret: keys appear as fingerprints.
    """

    __slots__ = ("steps",)

    def __init__(self, *, enabled: bool) -> None:
        self.steps: list[dict[str, Any]] | None = [] if enabled else None

    def step(self, name: str, **values: Any) -> None:
        if self.steps is not None:
            self.steps.append({"step": name, **values})


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that operations work with; one set a worker process.

    `account` finds the names of an account by its number, `account_of` the number by the
    canonical id.
    """

    store: "Store"
    data_keys: "DataKeys"
    clock: Clock
    settings: "Settings"
    account: Callable[[str], "Account"]
    tokens: "Tokens"
    account_of: Callable[[str], str | None] = lambda canonical_id: None


class Authorize(Protocol):
    """Asks whether the caller may do `action` ("s3:GetObject"); raises AccessDenied.

    Without a bucket, `key` is the ARN of what it is about.
    """

    def __call__(
        self, action: str, bucket: Bucket | None, key: str, version_id: str | None = None
    ) -> None: ...


def nothing_further(
    action: str, bucket: Bucket | None, key: str, version_id: str | None = None
) -> None:
    """The `Authorize` of S3's own services, which ask for all that they need beforehand."""


@dataclass(slots=True)
class Call:
    """One authenticated and authorized S3 request.

    `target` is the bucket that the path names; the front door has checked that it exists, that
    its region and expected owner fit, and that the caller may run the operation on it.
    `authorize` asks about further permissions and resources, such as a copy's source.
    `operation` is what the client called, which tells PostObject from the PutObject that it
    becomes.
    """

    caller: Caller
    services: Services
    authorize: "Authorize"
    target: Bucket | None = None
    trace: Trace = field(default_factory=lambda: Trace(enabled=False))
    operation: str = ""

    def canonical_id(self, account: str) -> str:
        """The 64 hex digits that S3 shows as the ID of an account."""
        return self.services.account(account).canonical_id

    def owner(self, account: str) -> dict[str, str]:
        """An account as replies show the owner of a thing."""
        found = self.services.account(account)
        return {"DisplayName": found.display_name, "ID": found.canonical_id}

    @property
    def bucket(self) -> Bucket:
        """The bucket of the path. Only operations that have one may ask."""
        assert self.target is not None
        return self.target
