"""Composition of a worker: its ASGI application and its background work."""

import asyncio
import ctypes
import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.applications import Starlette

from kms.aws.arn import s3_bucket
from kms.aws.audit_log import AuditLog
from kms.aws.audit_search import Search
from kms.aws.clock import Clock, ServiceClock, SystemClock
from kms.aws.identity import Principal
from kms.client import KMS, harden
from objstore import log
from objstore.access_log import AccessLog
from objstore.account.assembly import Accounts, assemble
from objstore.account.cloudtrail import CloudTrail
from objstore.account.directory import Directory, root_principal
from objstore.account.principals import EntityFinder
from objstore.account.seed import Seed
from objstore.account.service_roles import ServiceRoles
from objstore.app import Application
from objstore.authenticate import Authenticator
from objstore.authorize import Authorizer
from objstore.background import Background, Task
from objstore.call import Services
from objstore.compose import (
    AUDIT_FOLDER,
    SETTINGS_VARIABLE,
    account_secrets,
    identities,
    issuers,
    open_folder_kms,
    plant_buckets,
    plant_identities,
    plant_keys,
    service_clock,
    token_key,
)
from objstore.crypt.data_keys import DataKeys
from objstore.doors import Identification, JSONDoor, QueryDoor, kms_door
from objstore.gateway import Gateway
from objstore.hosting import Hosting
from objstore.internal import internal_app
from objstore.inventory import Inventory
from objstore.lifecycle import Lifecycle
from objstore.notifications import Notifications
from objstore.replication import SESSION, Replication, Roles
from objstore.rules.notification import parse_targets
from objstore.settings import DATA_EVENTS, PUBLIC, Settings
from objstore.storage.queues import QueueFiles
from objstore.storage.records import Bucket
from objstore.storage.store import Store
from objstore.tokens import Tokens
from objstore.trace import TraceFile
from objstore.trail import Trail

S3_SERVICE = "s3.amazonaws.com"
KEYS_SECONDS = 60.0
LIFECYCLE_SECONDS = 10.0
INVENTORY_SECONDS = 60.0
USES_SECONDS = 1.0
REPLICATION_SECONDS = 0.25
NOTIFICATIONS_SECONDS = 0.25
ACCESS_LOG_SECONDS = 5.0
SPARE_SECONDS = 60.0
COLLECTION_THRESHOLDS = (50_000, 20, 50)
_PR_SET_PDEATHSIG = 1


def application() -> Application:
    """The ASGI application of a worker; its settings come from the environment."""
    settings = Settings.from_json(os.environ[SETTINGS_VARIABLE])
    wall = SystemClock()
    log.configure(settings.log_level, wall)
    harden()
    follow_parent()
    store = Store.open(settings.data, wall=wall)
    clock = service_clock(settings)
    audit = AuditLog(settings.data / AUDIT_FOLDER, clock)
    kms = open_folder_kms(settings, identities=EntityFinder(store.identities), audit=audit)
    directory, seed = identities(settings, kms)
    permissive = root_principal(settings.account) if settings.auth == "permissive" else None
    traces = TraceFile(settings.data) if settings.dev else None
    accounts = account_services(settings, directory, store, kms, clock, audit)
    finder = accounts.credentials
    services = s3_services(settings, directory, store, kms, clock)
    authenticator = Authenticator(
        finder,
        wall,
        region=settings.region,
        permissive=permissive,
        signature_v2=settings.signature_v2 != "refuse",
        header_v2=settings.signature_v2 == "everywhere",
        note_use=finder.note_use,
    )
    authorizer = s3_authorizer(services)
    gateway = s3_door(services, authenticator, authorizer, wall, traces, audit)
    access_log = AccessLog(services, authorizer, wall)
    replication = Replication(services, authorizer, wall, replication_roles(store, clock), traces)
    inventory = Inventory(services, authorizer, wall, day_seconds=settings.day_seconds)
    background = background_work(services, clock, kms, access_log, replication, inventory)
    identification = Identification(finder, wall, permissive=permissive, note_use=finder.note_use)

    reset = partial(start_over, settings, seed, store, kms, audit)

    async def stop() -> None:
        await background.stop()
        await access_log.flush()
        await store.close()
        kms.close()
        audit.close()

    spare_the_collector()
    return Application(
        doors={
            "s3": gateway,
            "kms": kms_door(kms.handle, kms.prepare, identification),
            "iam": QueryDoor(accounts.iam, identification, region=settings.region),
            "sts": QueryDoor(accounts.sts, identification, region=settings.region),
            "cloudtrail": cloudtrail_door(services, accounts, identification, audit),
        },
        internal=own_pages(settings, traces, clock, background, reset=reset),
        log=log.RequestLog(wall),
        start=background.start,
        stop=stop,
        hosting=websites(settings, store, gateway),
        access_log=access_log,
    )


def spare_the_collector() -> None:
    """Leave what was made so far, which stays, out of garbage collection, and collect seldom.

    Requests make few cycles; what they leave behind for the audit trail would count as new.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTION_THRESHOLDS)


def follow_parent() -> None:
    """Have this worker stopped when the process that started it dies, were it by SIGKILL.

    Nobody else would stop it, and it would keep port and folder from the server's next start.
    """
    parent = multiprocessing.parent_process()
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent.pid:  # It died before it could be followed.
        os.kill(os.getpid(), signal.SIGTERM)


def s3_authorizer(services: Services) -> Authorizer:
    return Authorizer(
        services.store,
        services.clock,
        account=services.account,
        account_of=services.account_of,
    )


def s3_door(
    services: Services,
    authenticator: Authenticator,
    authorizer: Authorizer,
    wall: Clock,
    traces: TraceFile | None,
    audit: AuditLog,
) -> Gateway:
    data_events = services.settings.audit == DATA_EVENTS
    return Gateway(
        services,
        authenticator=authenticator,
        authorizer=authorizer,
        wall=wall,
        traces=traces,
        trail=Trail(audit, services.clock, data_events=data_events),
    )


def s3_services(
    settings: Settings, directory: Directory, store: Store, kms: KMS, clock: Clock
) -> Services:
    """What S3's operations work with."""
    return Services(
        store=store,
        data_keys=DataKeys(kms, insecure_customer_keys=settings.dev and settings.loopback),
        clock=clock,
        settings=settings,
        account=directory.account,
        tokens=Tokens(token_key(kms)),
        account_of=directory.account_of,
    )


def cloudtrail_door(
    services: Services, accounts: Accounts, identification: Identification, audit: AuditLog
) -> JSONDoor:
    trail = CloudTrail(
        Search(audit.folder),
        audit=audit,
        flush=audit.flush,
        clock=services.clock,
        authorizer=accounts.authorizer,
        tokens=services.tokens,
    )
    return JSONDoor("cloudtrail", trail.handle, identification)


def own_pages(
    settings: Settings,
    traces: TraceFile | None,
    clock: ServiceClock,
    background: Background,
    *,
    reset: Callable[[], Awaitable[None]],
) -> Starlette:
    """The pages under `/_/`; most of them with `--dev` only."""
    return internal_app(
        ready=lambda: True,
        traces=traces,
        reset=reset if settings.dev else None,
        clock=clock if settings.dev else None,
        caught_up=background.caught_up,
        metrics_for_all=settings.metrics == PUBLIC,
    )


def websites(settings: Settings, store: Store, gateway: Gateway) -> Hosting | None:
    """The door of websites, unless there are to be none."""
    if not settings.website_domain:
        return None
    return Hosting(domain=settings.website_domain, bucket=store.bucket, read=gateway.read_publicly)


def account_services(
    settings: Settings,
    directory: Directory,
    store: Store,
    kms: KMS,
    clock: Clock,
    audit: AuditLog,
) -> Accounts:
    """IAM, STS and whose access keys are whose."""
    return assemble(
        directory,
        store.identities,
        account_secrets(kms),
        clock=clock,
        wall=SystemClock(),
        issuers=issuers(settings),
        audit=audit,
        permissive=settings.auth == "permissive",
    )


def replication_roles(store: Store, clock: Clock) -> Roles:
    """The roles that S3 takes on to replicate."""
    roles = ServiceRoles(store.identities, clock, service=S3_SERVICE)

    def session(role_arn: str, source: Bucket) -> Principal | None:
        arn = s3_bucket(source.name)
        return roles.session(role_arn, SESSION, source_arn=arn, source_account=source.account)

    return session


def background_work(
    services: Services,
    clock: ServiceClock,
    kms: KMS,
    access_log: AccessLog,
    replication: Replication,
    inventory: Inventory,
) -> Background:
    """Everything that happens without a request."""
    settings, store = services.settings, services.store
    lifecycle = Lifecycle(
        store,
        clock,
        day_seconds=settings.day_seconds,
        canonical_id=lambda account: services.account(account).canonical_id,
    )
    notifications = Notifications(
        store, clock, parse_targets(settings.notify), QueueFiles(settings.data)
    )

    async def keep_keys() -> bool:
        kms.sweep()
        if kms.owes_erasure:
            await asyncio.to_thread(kms.erase)
        return False

    async def keep_spare() -> bool:
        await store.keep_spare()
        return False

    async def deliver_logs() -> bool:
        await access_log.flush()
        return False

    async def write_uses() -> bool:
        kms.write_uses()
        return False

    return Background(
        settings.data,
        clock,
        server_tasks=[
            Task("keys", KEYS_SECONDS, keep_keys),
            Task("lifecycle", min(LIFECYCLE_SECONDS, settings.day_seconds / 4), lifecycle.run),
            Task("inventory", min(INVENTORY_SECONDS, settings.day_seconds / 4), inventory.run),
            Task("replication", REPLICATION_SECONDS, replication.run),
            Task("notifications", NOTIFICATIONS_SECONDS, notifications.run),
            Task("spare", SPARE_SECONDS, keep_spare),
        ],
        worker_tasks=[
            Task("key-uses", USES_SECONDS, write_uses),
            Task("access-log", ACCESS_LOG_SECONDS, deliver_logs),
        ],
        movable=settings.dev,
    )


async def start_over(
    settings: Settings, seed: Seed, store: Store, kms: KMS, audit: AuditLog
) -> None:
    """Empty a development server to its seed, at wall time."""
    service_clock(settings).offset_seconds = 0.0
    await store.reset()
    kms.reset()
    audit.clear()
    plant_keys(seed, kms)
    await plant_identities(settings, seed, store, kms)
    await plant_buckets(settings, seed, store)
