"""What a server is told at its start, as one frozen value that travels to every worker."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

DEVELOPMENT_ACCESS_KEY = "test"
DEVELOPMENT_SECRET_KEY = "test"
DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"
DEFAULT_ROOT = "key-file"
MANAGEMENT_EVENTS = "management-events"
DATA_EVENTS = "data-events"
LOOPBACK, PUBLIC = "loopback", "public"
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one server; each is a flag of `objstore serve` and an `OBJSTORE_*` variable.

    `domains` are the suffixes under which `bucket.suffix` addresses a bucket, `website_domain` is
    the one under which it is a website ("": there are none); `auth` is "strict"
    or "permissive"; `root` says what the KMS's root of trust is; `trace` keeps the steps of
    requests for `/_/trace`. `object_ownership`, `allow_public_access` and
    `allow_sse_c` are what new buckets have.
    `signature_v2` is "accept" or "refuse", for URLs and forms that are signed the old way, or
    "everywhere" to take such headers as well.
    `day_seconds` is how long a day of lifecycle rules lasts, for tests. `notify` are the
    webhooks of notifications, each as `ARN=URL`. `oidc` are
    the issuers whose tokens STS takes, each as `ISSUER=discover` or `ISSUER=FILE` of public keys,
    and `oidc_algorithms` how they may be signed. `audit` says whether the audit
    trail tells of calls on objects too, `metrics` who may ask for `/_/metrics`.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 9000
    workers: int = 1
    region: str = DEFAULT_REGION
    account: str = DEFAULT_ACCOUNT
    dev: bool = False
    seed: Path | None = None
    auth: str = "strict"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    domains: tuple[str, ...] = ("localhost",)
    website_domain: str = "s3-website.localhost"
    log_level: str = "info"
    root: str = DEFAULT_ROOT
    object_ownership: str = "BucketOwnerEnforced"
    allow_public_access: bool = False
    allow_sse_c: bool = False
    signature_v2: str = "accept"
    day_seconds: int = 24 * 3600
    notify: tuple[str, ...] = ()
    oidc: tuple[str, ...] = ()
    oidc_algorithms: tuple[str, ...] = ("RS256", "ES256")
    audit: str = MANAGEMENT_EVENTS
    metrics: str = LOOPBACK

    @property
    def loopback(self) -> bool:
        return self.host in LOOPBACK_HOSTS

    @property
    def scheme(self) -> str:
        return "https" if self.tls_cert else "http"

    def to_json(self) -> str:
        """The settings as JSON, for a worker's environment. They hold no secrets."""
        values = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(self).items()
        }
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> Self:
        values: Mapping[str, object] = json.loads(text)
        changed: dict[str, object] = dict(values)
        for name in ("data", "seed", "tls_cert", "tls_key"):
            if changed[name] is not None:
                changed[name] = Path(str(changed[name]))
        for name in ("domains", "notify", "oidc", "oidc_algorithms"):
            listed = changed[name]
            assert isinstance(listed, list)
            changed[name] = tuple(listed)
        return cls(**changed)  # type: ignore[arg-type]
