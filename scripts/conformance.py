"""Runs ceph/s3-tests against a server of its own and compares with the list of passing tests.

The server has the defaults that the suite was written for: ACLs, public access, SSE-C, the old
signature in headers. What is left out is no S3, or a dialect of one store; what is expected to fail
is in docs/conformance.md.
"""

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import boto3
import click

sys.path.insert(0, str(Path(__file__).with_name("faults")))

from server import Server
from workplace import workplace

PASSING = Path("docs/conformance/passing.txt")
CONTRADICTIONS = Path("docs/conformance.md")  # the first column of its tables
FILES = ("s3tests/functional/test_s3.py", "s3tests/functional/test_headers.py")
TEST_SECONDS_MAX = 90
DAY_SECONDS = 2
# Tests of one store's own dialect or of signatures that S3 no longer takes.
LEFT_OUT = re.compile(r"logging|cloud|restore|aws2|_v2_auth|sigv2")
ACCOUNTS = {"main": "123456789012", "alt": "222222222222", "tenant": "333333333333"}


def seed(folder: Path, keys: dict[str, tuple[str, str]]) -> Path:
    lines = []
    for name, account in ACCOUNTS.items():
        lines += ["[[accounts]]", f'id = "{account}"', f'display_name = "{name}"']
        lines += [f'email = "{name}@example.com"']
        if name != "main":
            lines += [f'access_key_id = "{keys[name][0]}"']
            lines += [f'secret_access_key = "{keys[name][1]}"']
    path = folder / "seed.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def serve(folder: Path, keys: dict[str, tuple[str, str]]) -> Server:
    flags = ["--seed", str(seed(folder, keys)), "--signature-v2", "everywhere"]
    flags += ["--object-ownership", "ObjectWriter", "--allow-public-access", "--allow-sse-c"]
    flags += ["--day-seconds", str(DAY_SECONDS)]
    return Server(folder / "data", 1, flags=flags, program=[".venv/bin/objstore"])


def configuration(folder: Path, address: str, keys: dict[str, tuple[str, str]]) -> Path:
    host, _, port = address.partition(":")
    lines = ["[DEFAULT]", f"host = {host}", f"port = {port}", "is_secure = False"]
    lines += ["ssl_verify = False", "[fixtures]", "bucket prefix = t-{random}-"]
    lines += ["iam name prefix = t-", "iam path prefix = /t/"]
    sections = {"s3 main": "main", "s3 alt": "alt", "s3 tenant": "tenant", "iam": "main"}
    for section, name in {**sections, "iam root": "main", "iam alt root": "alt"}.items():
        arguments = {
            "endpoint_url": f"http://{address}",
            "aws_access_key_id": keys[name][0],
            "aws_secret_access_key": keys[name][1],
            "region_name": "us-east-1",
        }
        owner = boto3.client("s3", **arguments).list_buckets()["Owner"]
        lines += [f"[{section}]", f"access_key = {keys[name][0]}", f"secret_key = {keys[name][1]}"]
        lines += [f"user_id = {owner['ID']}", f"display_name = {name}"]
        lines += [f"email = {name}@example.com"]
        if section == "s3 main":
            kms = boto3.client("kms", **arguments)
            for option in ("kms_keyid", "kms_keyid2"):
                lines.append(f"{option} = {kms.create_key()['KeyMetadata']['Arn']}")
            lines.append(f"lc_debug_interval = {DAY_SECONDS}")
        if section == "s3 tenant":
            lines.append("tenant = ")
    lines.append("[webidentity]")
    names = ("token", "aud", "sub", "azp", "user_token", "thumbprint", "KC_REALM")
    lines += [f"{name} = unset" for name in names]
    path = folder / "s3tests.conf"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(suite: Path, conf: Path, outcomes: Path, keyword: str | None) -> None:
    inherited = {name: value for name, value in os.environ.items() if name[:4] != "AWS_"}
    environment = {
        **inherited,
        "S3TEST_CONF": str(conf),
        "CONFORMANCE_OUTCOMES": str(outcomes),
        "CONFORMANCE_LEFT_OUT": LEFT_OUT.pattern,
        "PYTHONPATH": str(Path(__file__).parent / "conformance_plugin"),
        "AWS_MAX_ATTEMPTS": "2",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "--tb=line", "-W", "ignore"]
    command += ["-p", "s3tests_outcomes", "-p", "no:cacheprovider", *FILES]
    command += [f"--timeout={TEST_SECONDS_MAX}", "-m", "not fails_on_aws"]
    if keyword:
        command += ["-k", keyword]
    subprocess.run(command, cwd=suite, env=environment, check=False)


def contradictions(document: str) -> set[str]:
    """The tests that a table of the document explains, without their file."""
    cells = re.findall(r"^\| (`test_[^|]*) \|", document, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(test_[^`]+)`", cell)}


def report(outcomes: Path, *, update: bool, whole: bool) -> int:
    found = dict(line.rstrip("\n").rsplit(" ", 1) for line in outcomes.open(encoding="utf-8"))
    passed = sorted(name for name, outcome in found.items() if outcome == "passed")
    failed = sorted(name for name, outcome in found.items() if outcome == "failed")
    known = PASSING.read_text(encoding="utf-8").split("\n") if PASSING.exists() else []
    regressions = sorted(set(known) & set(failed))
    named = contradictions(CONTRADICTIONS.read_text(encoding="utf-8"))
    explained = {name for name in failed if name.rpartition("::")[2] in named}
    for name in failed:
        kind = "contradiction" if name in explained else "failed"
        click.echo(f"{'REGRESSION' if name in regressions else kind} {name}")
    for name in passed:
        if name.rpartition("::")[2] in named:
            click.echo(f"no contradiction any more: {name}")
    if update and whole:
        PASSING.parent.mkdir(exist_ok=True)
        PASSING.write_text("\n".join(passed) + "\n", encoding="utf-8")
    ran = len(passed) + len(failed)
    share = len(passed) / max(1, ran)
    own = len(passed) / max(1, ran - len(explained))
    click.echo(
        f"CONFORMANCE passed={len(passed)} failed={len(failed)} share={share:.1%} "
        f"contradictions={len(explained)} share_without_them={own:.1%} "
        f"regressions={len(regressions)}"
    )
    return 1 if regressions else 0


@click.command()
@click.argument("suite", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--keyword", help="Only tests whose names match, as pytest's -k.")
@click.option("--update", is_flag=True, help="Rewrite the list of passing tests.")
def main(suite: Path, keyword: str | None, update: bool) -> None:
    """Run the suite in SUITE and compare."""
    keys = {name: (f"{name}key", secrets.token_urlsafe(30)) for name in ACCOUNTS if name != "main"}
    keys["main"] = ("test", "test")
    with workplace("conformance") as folder:
        server = serve(folder, keys)
        try:
            conf = configuration(folder, server.endpoint.removeprefix("http://"), keys)
            run(suite, conf, folder / "outcomes", keyword)
            status = report(folder / "outcomes", update=update, whole=keyword is None)
        finally:
            server.stop()
    sys.exit(status)


if __name__ == "__main__":
    main()
