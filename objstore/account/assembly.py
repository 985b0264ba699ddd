"""Puts the account services of one worker together."""

from collections.abc import Callable
from dataclasses import dataclass

from kms.aws.audit import AuditSink, NullSink
from kms.aws.clock import Clock
from objstore.account import iam, sts
from objstore.account.authorize import Authorizer
from objstore.account.call import Services
from objstore.account.credentials import CredentialFinder
from objstore.account.directory import Directory
from objstore.account.oidc import Issuers
from objstore.account.sealing import Sealing
from objstore.account.service import AccountService
from objstore.account.sessions import Sessions
from objstore.storage.store_identities import IdentityStore


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the account services need of the KMS: two functions, and a secret of their own."""

    seal: Callable[[str, bytes], bytes]
    open: Callable[[str, bytes], bytearray]
    sealing: Sealing


@dataclass(frozen=True, slots=True)
class Accounts:
    """The account services of one worker, and who finds credentials for all of them."""

    credentials: CredentialFinder
    iam: AccountService
    sts: AccountService
    authorizer: Authorizer


def assemble(
    directory: Directory,
    identities: IdentityStore,
    secrets: Secrets,
    *,
    clock: Clock,
    wall: Clock,
    issuers: Issuers | None = None,
    audit: AuditSink | None = None,
    permissive: bool = False,
) -> Accounts:
    """`clock` gives the dates that entities keep, `wall` those of sessions."""
    sessions = Sessions(secrets.sealing, wall)
    finder = CredentialFinder(directory, identities, sessions, open_secret=secrets.open, wall=wall)
    services = Services(
        clock=clock,
        wall=wall,
        seal=secrets.seal,
        sealing=secrets.sealing,
        authorizer=Authorizer(clock, secrets.sealing),
        sessions=sessions,
        ticket=finder.ticket,
        issuers=issuers or Issuers({}, wall=wall),
        root_has_key=directory.root_has_key,
        permissive=permissive,
    )
    sink = audit or NullSink()
    return Accounts(
        finder,
        AccountService("iam", iam.OPERATIONS, identities=identities, services=services, audit=sink),
        AccountService("sts", sts.OPERATIONS, identities=identities, services=services, audit=sink),
        services.authorizer,
    )
