"""The command line: `objstore serve` and what looks at, checks and re-keys a data folder.

Every flag of `serve` is also an environment variable, `OBJSTORE_` and the flag's name.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from objstore import compose, log, offline
from objstore.account.oidc import ALGORITHMS_DEFAULT, KEY_TYPES
from objstore.account.seed import SeedError
from objstore.compose import StartError
from objstore.crypt.customer_keys import NO_CUSTOMER_KEY, headers_for
from objstore.errors import AWSError
from objstore.explain import Asked, ExplainError, read_context
from objstore.rules.notification import parse_targets
from objstore.settings import (
    DATA_EVENTS,
    DEFAULT_ACCOUNT,
    DEFAULT_REGION,
    DEFAULT_ROOT,
    LOOPBACK,
    MANAGEMENT_EVENTS,
    PUBLIC,
    Settings,
)
from objstore.transfer.rewrap import Target

DATA = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    envvar="OBJSTORE_DATA",
    show_envvar=True,
    help="The folder that holds everything.",
)
ROOT = click.option(
    "--root",
    default=DEFAULT_ROOT,
    show_default=True,
    envvar="OBJSTORE_ROOT",
    show_envvar=True,
    help="The root of trust: key-file, passphrase, environment, pkcs11 or transit.",
)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


def variable(name: str) -> str:
    return f"OBJSTORE_{name.upper().replace('-', '_')}"


Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def flag(name: str, *keyword: str, **attributes: Any) -> Decorator:
    """A flag of `serve`, also set by its environment variable; passed on as its `keyword`."""
    return click.option(
        f"--{name}",
        *keyword,
        envvar=variable(name),
        show_envvar=True,
        show_default=True,
        **attributes,
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="objstore")
def main() -> None:
    """An S3-compatible object store with real SSE-KMS."""


@main.command()
@DATA
@ROOT
@flag("host", default="127.0.0.1", help="The address to listen on.")
@flag("port", type=click.IntRange(0, 65535), default=9000, help="The port; 0 picks a free one.")
@flag("workers", type=click.IntRange(1, 64), default=1, help="Worker processes.")
@flag("region", default=DEFAULT_REGION, help="The region of buckets and keys by default.")
@flag("account", default=DEFAULT_ACCOUNT, help="The account of the root access key.")
@flag("dev", is_flag=True, help="Root key test/test, traces and reset; loopback only.")
@flag("seed", type=FILE, help="Accounts, identities, keys and buckets to start with (TOML).")
@flag(
    "auth",
    type=click.Choice(["strict", "permissive"]),
    default="strict",
    help="permissive accepts any access key as the account's root, for offline tests.",
)
@flag("tls-cert", type=FILE, help="PEM certificate chain; with --tls-key serves https.")
@flag("tls-key", type=FILE, help="PEM private key of --tls-cert.")
@flag(
    "domain",
    multiple=True,
    default=("localhost",),
    help="Suffix under which bucket.SUFFIX addresses a bucket; repeatable.",
)
@flag(
    "object-ownership",
    type=click.Choice(["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"]),
    default="BucketOwnerEnforced",
    help="The object ownership of new buckets; all but the default have ACLs.",
)
@flag(
    "allow-public-access",
    is_flag=True,
    help="New buckets do not block public access, as before April 2023 at AWS.",
)
@flag(
    "allow-sse-c",
    is_flag=True,
    help="New buckets do not block SSE-C, as before April 2026 at AWS.",
)
@flag(
    "day-seconds",
    type=click.IntRange(1, 24 * 3600),
    default=24 * 3600,
    help="How long a day of lifecycle rules lasts, for tests.",
)
@flag(
    "notify",
    multiple=True,
    help="ARN=URL: the webhook that stands for a destination of notifications; repeatable.",
)
@flag(
    "signature-v2",
    type=click.Choice(["accept", "refuse", "everywhere"]),
    default="accept",
    help="Presigned URLs and browser uploads that are signed with Signature Version 2; with "
    "everywhere, headers too.",
)
@flag(
    "oidc",
    multiple=True,
    help="ISSUER=discover, or ISSUER=FILE with its JWK set: whose web identities STS takes; "
    "repeatable.",
)
@flag(
    "oidc-algorithm",
    "oidc_algorithms",
    multiple=True,
    type=click.Choice(tuple(KEY_TYPES)),
    default=ALGORITHMS_DEFAULT,
    help="A signature algorithm that web identity tokens may have; repeatable.",
)
@flag(
    "audit",
    type=click.Choice([MANAGEMENT_EVENTS, DATA_EVENTS]),
    default=MANAGEMENT_EVENTS,
    help="What the audit trail tells of; data-events adds calls on objects.",
)
@flag(
    "metrics",
    type=click.Choice([LOOPBACK, PUBLIC]),
    default=LOOPBACK,
    help="Who may ask for /_/metrics: clients on this machine, or everybody.",
)
@flag(
    "website-domain",
    default="s3-website.localhost",
    help="Suffix under which bucket.SUFFIX is the bucket's website; empty for none.",
)
@flag("log-level", type=click.Choice(log.LEVELS), default="info", help="The least level logged.")
def serve(domain: tuple[str, ...], **options: Any) -> None:
    """Serve S3, KMS, IAM, STS and CloudTrail on one port until stopped."""
    settings = Settings(domains=domain, **options)
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    try:
        parse_targets(settings.notify)
    except ValueError as error:
        raise click.UsageError(f"--notify {error}") from None
    try:
        compose.serve(settings, announce=click.echo)
    except (StartError, SeedError) as error:
        raise click.ClickException(str(error)) from None


@main.command()
@DATA
@ROOT
@click.option("--endpoint", default="http://127.0.0.1:9000", show_default=True)
@click.option("--region", default=DEFAULT_REGION, show_default=True)
@click.option("--account", default=DEFAULT_ACCOUNT, show_default=True)
@click.option("--dev", is_flag=True, help="The credentials of a --dev server.")
def env(data: Path, root: str, endpoint: str, region: str, account: str, dev: bool) -> None:
    """Print the export block that points AWS clients here."""
    settings = Settings(data, region=region, account=account, dev=dev, root=root)
    try:
        click.echo(compose.export_block(settings, endpoint))
    except StartError as error:
        raise click.ClickException(str(error)) from None


@main.command()
@DATA
@ROOT
@click.argument("target")
@click.option("--account", default=DEFAULT_ACCOUNT, show_default=True)
@click.option("--customer-key", type=FILE, help="The file with the 32 bytes of an SSE-C key.")
def inspect(data: Path, root: str, target: str, account: str, customer_key: Path | None) -> None:
    """Show what lies on disk for s3://BUCKET/KEY, and whether all of it verifies."""
    scheme, _, rest = target.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or not key:
        raise click.UsageError("the target has the form s3://BUCKET/KEY")
    customer = NO_CUSTOMER_KEY if customer_key is None else headers_for(customer_key.read_bytes())
    settings = Settings(data, account=account, root=root)
    try:
        text, verified = asyncio.run(
            offline.inspect(settings, bucket=bucket, key=key, customer=customer)
        )
    except StartError as error:
        raise click.ClickException(str(error)) from None
    click.echo(text)
    sys.exit(0 if verified else 1)


@main.command()
@DATA
@ROOT
@click.option("--principal", required=True, help="An ARN, a service's name, or anonymous.")
@click.option("--action", required=True, help="A permission, as kms:Decrypt.")
@click.option("--resource", required=True, help="An ARN; * for actions without a resource.")
@click.option("--context", multiple=True, help="A condition key, as key=value; repeatable.")
def explain(data: Path, root: str, context: tuple[str, ...], **question: str) -> None:
    """Say what decides whether a principal may do something; exit 1 if it may not."""
    try:
        asked = Asked(**question, context=read_context(context))
        line, allowed = asyncio.run(offline.explain(Settings(data, root=root), asked))
    except (ExplainError, StartError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(line)
    sys.exit(0 if allowed else 1)


@main.command()
@DATA
@ROOT
@click.option("--bucket", required=True, help="The bucket whose objects get another key.")
@click.option("--to", "key_id", required=True, help="The KMS key: id, ARN, alias or alias ARN.")
@click.option("--bucket-key", is_flag=True, help="Use S3 Bucket Keys.")
@click.option(
    "--limit", type=click.IntRange(1), help="Stop after so many objects; run again to go on."
)
def rewrap(
    data: Path, root: str, bucket: str, key_id: str, bucket_key: bool, limit: int | None
) -> None:
    """Wrap the data keys of a bucket's objects by another KMS key. No object's bytes move."""
    try:
        count = asyncio.run(
            offline.rewrap(
                Settings(data, root=root),
                bucket=bucket,
                target=Target(key_id, bucket_key),
                rewrapped_max=limit,
                report=click.echo,
            )
        )
    except (StartError, AWSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"done {count}")
    sys.exit(1 if count.failed else 0)


@main.command()
@DATA
def check(data: Path) -> None:
    """Verify the whole store without any key: sizes, checksums, rows and files."""
    findings = 0
    try:
        for finding in offline.check(data):
            findings += not finding.startswith("checked")
            click.echo(finding)
    except StartError as error:
        raise click.ClickException(str(error)) from None
    sys.exit(1 if findings else 0)


@main.command()
@DATA
@ROOT
@click.option("--to", required=True, help="The root of trust from now on.")
def reseal(data: Path, root: str, to: str) -> None:
    """Change the root of trust; no data is touched."""
    try:
        count = compose.reseal(Settings(data, root=root), to)
    except StartError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"resealed domain_keys={count}; start with --root {to} from now on")


@main.command("rotate-root")
@DATA
@ROOT
def rotate_root(data: Path, root: str) -> None:
    """Wrap all key material under a new domain key; ciphertexts stay as they are."""
    try:
        version = compose.rotate_domain_key(Settings(data, root=root))
    except StartError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"rotated domain_key={version}")


if __name__ == "__main__":
    main()
