"""Composition: the only place that builds the parts and puts them together.

`prepare` runs once, before any worker: folder, root of trust, root access key, sweep, seed.
`application` runs in every worker and makes its ASGI application.
"""

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import uvicorn
from uvicorn.supervisors import Multiprocess

from kms.aws.audit import AuditSink
from kms.aws.clock import ServiceClock, SystemClock
from kms.aws.identity import Credential, Identities
from kms.aws.shared import SharedNumber
from kms.client import (
    KMS,
    RootError,
    RootSettings,
    change_root,
    harden,
    has_store,
    open_kms,
    rotate_root,
)
from kms.client import StoreError as KeyStoreError
from objstore import log
from objstore.account.assembly import Secrets
from objstore.account.directory import Directory, root_credential
from objstore.account.ids import LONG_TERM, new_access_key_id
from objstore.account.issuers import IssuerError, configured_issuers
from objstore.account.oidc import Issuers
from objstore.account.planting import plant
from objstore.account.sealing import SECRET_BYTES, Sealing
from objstore.account.seed import Seed, parse_seed
from objstore.crypt import sse
from objstore.names import check_bucket_name
from objstore.protocol import BoundedProtocol
from objstore.rules.access import new_bucket_settings
from objstore.settings import DEVELOPMENT_ACCESS_KEY, DEVELOPMENT_SECRET_KEY, Settings
from objstore.storage.records import BUCKET_ID_LENGTH, Bucket, BucketExistsError, NoSpaceError
from objstore.storage.spare import make_room
from objstore.storage.store import Store
from objstore.storage.sweep import boot_sweep
from objstore.tokens import TOKEN_KEY_BYTES

SETTINGS_VARIABLE = "OBJSTORE_SETTINGS"
AUDIT_FOLDER = "audit"
SECRET_KEY_BYTES = 30
ACCOUNT_SECRET = "account-services"
SEED_BYTES_MAX = 4 * 1024 * 1024
KEEP_ALIVE_SECONDS = 60
SHUTDOWN_SECONDS_MAX = 30
BACKLOG = 2048
CONNECTIONS_MAX = 20_000
CLOCK_NAME = "clock"


class StartError(Exception):
    """The server cannot start or the folder cannot be read; the message says what to do."""


def serve(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Prepare the folder and serve until SIGTERM or Ctrl-C. Raises StartError, SeedError."""
    refuse_unsafe(settings)
    listener = bind(settings.host, settings.port)
    harden()
    log.configure(settings.log_level, SystemClock())
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    have_room(settings)
    prepare(settings, announce)
    if settings.workers > 1:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics_folder(settings.data))
    config = uvicorn.Config(
        "objstore.worker:application",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    # Whoever reads the announcement may connect at once: the backlog holds it until we serve.
    listener.listen(BACKLOG)
    port = listener.getsockname()[1]
    os.environ[SETTINGS_VARIABLE] = replace(settings, port=port).to_json()
    announce(f"objstore serves {settings.scheme}://{settings.host}:{port}")
    exit_quietly()
    if settings.workers == 1:
        uvicorn.Server(config).run(sockets=[listener])
    else:
        Multiprocess(config, sockets=[listener]).run()


def bind(host: str, port: int) -> socket.socket:
    """A socket at an address, before anything is made. Raises StartError if it cannot be had."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise StartError(f"{host} port {port} cannot be served: {error.strerror}") from None
    found.set_inheritable(True)
    return found


def have_room(settings: Settings) -> None:
    """Start on a full disk too, so that people can delete; or touch nothing. Raises StartError."""
    try:
        make_room(settings.data)
    except NoSpaceError as error:
        raise StartError(f"the disk of {settings.data} is full, free some of it: {error}") from None


def exit_quietly() -> None:
    """Make a stop that was asked for a success: uvicorn, when done, raises its signal again."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))


def refuse_unsafe(settings: Settings) -> None:
    """Well-known credentials and absent authentication are for loopback only."""
    if settings.loopback:
        return
    if settings.dev:
        raise StartError(
            f"--dev has the well-known access key {DEVELOPMENT_ACCESS_KEY!r}, so it serves "
            f"loopback addresses only, not {settings.host}"
        )
    if settings.auth == "permissive":
        raise StartError(
            f"--auth permissive lets anybody in, so it serves loopback addresses only, "
            f"not {settings.host}"
        )


def metrics_folder(data: Path) -> Path:
    """An empty folder for the workers' metrics; old files would count dead workers."""
    folder = data / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


def prepare(settings: Settings, announce: Callable[[str], None]) -> None:
    """Make the folder ready before any worker starts: root of trust, root key, sweep, seed."""
    issuers(settings)
    kms = open_folder_kms(settings)
    try:
        _, seed = identities(settings, kms, announce)
        boot_sweep(settings.data)
        plant_keys(seed, kms)
        asyncio.run(plant_store_alone(settings, seed, kms))
    finally:
        kms.close()
    if settings.auth == "permissive":
        announce(f"any access key is accepted as the root of account {settings.account}")


def open_folder_kms(
    settings: Settings,
    *,
    create: bool = True,
    identities: Identities | None = None,
    audit: AuditSink | None = None,
) -> KMS:
    folder = settings.data / "kms"
    if not has_store(folder):
        if not create:
            raise StartError(f"{settings.data} is no data folder: it has no key store")
        if (settings.data / "index.db").exists():
            raise StartError(
                f"{settings.data} has an index but no key store, without which nothing in it can "
                f"be read: bring back {folder}"
            )
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        return open_kms(
            folder,
            clock=service_clock(settings),
            root=root_settings(settings),
            identities=identities,
            audit=audit,
        )
    except (RootError, KeyStoreError) as error:
        raise StartError(str(error)) from None


def root_settings(settings: Settings) -> RootSettings:
    return RootSettings(settings.root, key_file=settings.data / "root.key")


def reseal(settings: Settings, to: str) -> int:
    """Change the root of trust of a data folder; answers how many domain keys there are."""
    try:
        return change_root(
            settings.data / "kms",
            old=root_settings(settings),
            new=root_settings(replace(settings, root=to)),
        )
    except (RootError, KeyStoreError) as error:
        raise StartError(str(error)) from None


def rotate_domain_key(settings: Settings) -> int:
    """Wrap all key material under a new domain key; answers its number."""
    try:
        return rotate_root(settings.data / "kms", root=root_settings(settings))
    except (RootError, KeyStoreError) as error:
        raise StartError(str(error)) from None


def service_clock(settings: Settings) -> ServiceClock:
    """The clock of what is kept. With `--dev` it can be moved, for all processes at once."""
    if not settings.dev:
        return ServiceClock(SystemClock())
    return ServiceClock(SystemClock(), SharedNumber(settings.data / CLOCK_NAME))


def identities(
    settings: Settings, kms: KMS, announce: Callable[[str], None] | None = None
) -> tuple[Directory, Seed]:
    """The accounts and credentials of the server, and the seed that named some of them.

    Makes the root access key at the first start, and then hands it to `announce` once.
    """
    directory = Directory()
    directory.add_credential(root_key(settings, kms, announce))
    seed = read_seed(settings)
    for account in seed.accounts:
        directory.add_account(account)
    for credential in seed.credentials:
        directory.add_credential(credential)
    return directory, seed


def read_seed(settings: Settings) -> Seed:
    if settings.seed is None:
        return Seed()
    if settings.seed.stat().st_size > SEED_BYTES_MAX:
        raise StartError(f"the seed file is larger than {SEED_BYTES_MAX} bytes")
    text = settings.seed.read_text(encoding="utf-8")
    return parse_seed(text, account=settings.account, region=settings.region)


def root_key(settings: Settings, kms: KMS, announce: Callable[[str], None] | None) -> Credential:
    """The root access key of the default account, sealed in the data folder."""
    if settings.dev:
        if announce is not None:
            announce(
                f"--dev: root access key {DEVELOPMENT_ACCESS_KEY!r}, "
                f"secret key {DEVELOPMENT_SECRET_KEY!r}"
            )
        return root_credential(settings.account, DEVELOPMENT_ACCESS_KEY, DEVELOPMENT_SECRET_KEY)
    name = f"root-credential:{settings.account}"
    stored = kms.recall(name)
    if stored is None and announce is None:
        raise StartError(f"{settings.data} has no root access key: start the server first")
    if stored is not None:
        return opened_credential(settings.account, kms, name, stored)
    secret = secrets.token_urlsafe(SECRET_KEY_BYTES)
    document = {
        "access_key_id": new_access_key_id(LONG_TERM, settings.account),
        "sealed": b64encode(kms.seal_secret(name, secret.encode())).decode(),
    }
    stored = kms.remember(name, json.dumps(document).encode())
    credential = opened_credential(settings.account, kms, name, stored)
    assert announce is not None
    announce("A root access key was made. It is shown this once; `objstore env` shows it again:")
    announce(exports(settings, credential, endpoint_of(settings)))
    return credential


def token_key(kms: KMS) -> bytearray:
    """The key of continuation tokens, the same for all workers, sealed by the root of trust."""
    name = "continuation-tokens"
    sealed = kms.recall(name)
    if sealed is None:
        sealed = kms.remember(name, kms.seal_secret(name, secrets.token_bytes(TOKEN_KEY_BYTES)))
    return kms.open_secret(name, sealed)


def opened_credential(account: str, kms: KMS, name: str, stored: bytes) -> Credential:
    document = json.loads(stored)
    secret = kms.open_secret(name, b64decode(document["sealed"])).decode()
    return root_credential(account, document["access_key_id"], secret)


def issuers(settings: Settings) -> Issuers:
    """Whose web identities STS takes."""
    try:
        return configured_issuers(
            settings.oidc, algorithms=settings.oidc_algorithms, wall=SystemClock()
        )
    except IssuerError as error:
        raise StartError(str(error)) from None


def account_secrets(kms: KMS) -> Secrets:
    """What IAM and STS need of the KMS; their own secret is made at the first start."""
    stored = kms.recall(ACCOUNT_SECRET)
    if stored is None:
        made = kms.seal_secret(ACCOUNT_SECRET, secrets.token_bytes(SECRET_BYTES))
        stored = kms.remember(ACCOUNT_SECRET, made)
    sealing = Sealing(kms.open_secret(ACCOUNT_SECRET, stored))
    return Secrets(kms.seal_secret, kms.open_secret, sealing)


def endpoint_of(settings: Settings) -> str:
    return f"{settings.scheme}://{settings.host}:{settings.port}"


def exports(settings: Settings, credential: Credential, endpoint: str) -> str:
    """Shell commands that point AWS clients at `endpoint`."""
    return "\n".join(
        (
            f"export AWS_ENDPOINT_URL={endpoint}",
            f"export AWS_ACCESS_KEY_ID={credential.access_key_id}",
            f"export AWS_SECRET_ACCESS_KEY={credential.secret_access_key}",
            f"export AWS_DEFAULT_REGION={settings.region}",
        )
    )


def export_block(settings: Settings, endpoint: str) -> str:
    """The export block of the server whose folder `settings` name. Raises StartError."""
    if settings.dev:
        dev = root_credential(settings.account, DEVELOPMENT_ACCESS_KEY, DEVELOPMENT_SECRET_KEY)
        return exports(settings, dev, endpoint)
    kms = open_folder_kms(settings, create=False)
    try:
        return exports(settings, root_key(settings, kms, None), endpoint)
    finally:
        kms.close()


def plant_keys(seed: Seed, kms: KMS) -> None:
    """Make the seed's KMS keys that do not exist yet."""
    for key in seed.keys:
        kms.plant_key(
            account=key.account,
            region=key.region,
            key_id=key.key_id,
            aliases=key.aliases,
            description=key.description,
            material=key.material,
        )


async def plant_identities(settings: Settings, seed: Seed, store: Store, kms: KMS) -> None:
    """Make the seed's users, groups, roles and policies that do not exist yet."""
    now_ms = int(service_clock(settings).now() * 1000)
    if seed.identities:
        await store.identities.change(
            lambda rows: plant(rows, seed.identities, seal=kms.seal_secret, now_ms=now_ms)
        )


async def plant_buckets(settings: Settings, seed: Seed, store: Store) -> None:
    """Make the seed's buckets that do not exist yet."""
    created_ms = int(service_clock(settings).now() * 1000)
    made_with = new_bucket_settings(
        ownership=settings.object_ownership,
        allow_public_access=settings.allow_public_access,
        encryption=sse.ACCEPTING_SSE_C if settings.allow_sse_c else None,
    )
    for bucket in seed.buckets:
        check_bucket_name(bucket.name)
        with suppress(BucketExistsError):
            await store.create_bucket(
                Bucket(
                    bucket.name,
                    secrets.token_bytes(BUCKET_ID_LENGTH),
                    bucket.account,
                    bucket.region,
                    created_ms,
                    made_with,
                )
            )


async def plant_store_alone(settings: Settings, seed: Seed, kms: KMS) -> None:
    store = Store.open(settings.data, wall=SystemClock())
    try:
        await plant_identities(settings, seed, store, kms)
        await plant_buckets(settings, seed, store)
        await store.keep_spare()
    finally:
        await store.close()
