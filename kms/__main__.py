"""`python -m kms`: a KMS alone, on one port; `serve`, `reseal` and `rotate-root`."""

from pathlib import Path

import click
import uvicorn

from kms import credentials
from kms.app import App
from kms.aws.audit_log import AuditLog
from kms.aws.clock import Clock, ServiceClock, SystemClock
from kms.aws.shared import SharedNumber
from kms.client import (
    RootError,
    RootSettings,
    StoreError,
    change_root,
    harden,
    open_kms,
    rotate_root,
)
from kms.credentials import SingleCredential

AUDIT_FOLDER = "audit"
CLOCK_NAME = "clock"
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
DATA = click.option("--data", type=click.Path(path_type=Path), required=True, help="Data folder.")
ROOT = click.option(
    "--root",
    default=RootSettings().choice,
    envvar="KMS_ROOT",
    show_envvar=True,
    show_default=True,
    help="The root of trust.",
)


@click.group()
def main() -> None:
    """A Key Management Service that speaks the AWS KMS API."""


@main.command()
@DATA
@ROOT
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True)
@click.option("--region", default="us-east-1", show_default=True, help="Named in the banner.")
@click.option("--account", default="123456789012", show_default=True)
@click.option("--dev", is_flag=True, help="Access key test/test, a movable clock; loopback only.")
def serve(
    data: Path, root: str, host: str, port: int, region: str, account: str, dev: bool
) -> None:
    """Serve until interrupted. Every region is served; clients choose by what they sign for."""
    if dev and host not in LOOPBACK_HOSTS:
        raise click.UsageError("--dev accepts well-known credentials, so it needs a loopback host")
    harden()
    wall = SystemClock()
    try:
        clock = service_clock(data, wall, dev=dev)
        audit = AuditLog(data / AUDIT_FOLDER, clock)
        kms = open_kms(data, clock=clock, root=RootSettings(root), audit=audit)
    except (RootError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    try:
        kms.sweep()
        if dev:
            credential, made = credentials.development(account), True
        else:
            credential, made = credentials.load_or_make(kms, account)
        if made:
            click.echo(banner(credential.access_key_id, credential.secret_access_key, region))
            click.echo(f"export AWS_ENDPOINT_URL_KMS=http://{host}:{port}")
        app = App(
            kms,
            credentials=SingleCredential(credential),
            wall=wall,
            movable=clock if dev else None,
        )
        uvicorn.run(app, host=host, port=port, log_level="info", access_log=False)
    finally:
        kms.close()
        audit.close()


@main.command()
@DATA
@ROOT
@click.option("--to", required=True, help="The root of trust from now on.")
def reseal(data: Path, root: str, to: str) -> None:
    """Change the root of trust; no data is touched."""
    try:
        count = change_root(data, old=RootSettings(root), new=RootSettings(to))
    except (RootError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"resealed domain_keys={count}; start with --root {to} from now on")


@main.command("rotate-root")
@DATA
@ROOT
def rotate(data: Path, root: str) -> None:
    """Wrap all key material under a new domain key; ciphertexts stay as they are."""
    try:
        version = rotate_root(data, root=RootSettings(root))
    except (RootError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"rotated domain_key={version}")


def service_clock(data: Path, wall: Clock, *, dev: bool) -> ServiceClock:
    """The clock of keys; with `--dev` it can be moved, and stays moved."""
    if not dev:
        return ServiceClock(wall)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    return ServiceClock(wall, SharedNumber(data / CLOCK_NAME))


def banner(access_key_id: str, secret_access_key: str, region: str) -> str:
    """What a shell needs to know to use the server; shown when the credential is made."""
    return (
        "This access key is shown once:\n"
        f"export AWS_ACCESS_KEY_ID={access_key_id}\n"
        f"export AWS_SECRET_ACCESS_KEY={secret_access_key}\n"
        f"export AWS_DEFAULT_REGION={region}"
    )


if __name__ == "__main__":
    main()
