"""Every client against one server: only the endpoint and the credentials are set.

Each client does each step: put, multipart, get, range, list, copy, SSE-KMS, delete. The exit status
is 0 if no step failed; a client that is not installed is left out and named.
"""

import re
import secrets
import subprocess
import sys
from pathlib import Path

import boto3
import click
from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from programs import PROGRAMS
from python_clients import PYTHON_CLIENTS
from scene import STEPS, Client, MissingError, Scene
from workplace import follow_parent, workplace

SMALL_BYTES = 10_000
LARGE_BYTES = 20 * 1024 * 1024 + 17
START_SECONDS_MAX = 30


def serve(folder: Path) -> tuple[str, subprocess.Popen[str]]:
    command = [".venv/bin/objstore", "serve", "--dev", "--port", "0", "--log-level", "error"]
    server = subprocess.Popen(
        [*command, "--data", str(folder / "data")],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=follow_parent,
    )
    assert server.stdout is not None
    for line in server.stdout:
        found = re.match(r"objstore serves (\S+)", line)
        if found:
            return found[1], server
    raise click.ClickException("the server did not start")


def make_scene(folder: Path, endpoint: str) -> Scene:
    small, large = folder / "small.bin", folder / "large.bin"
    small.write_bytes(secrets.token_bytes(SMALL_BYTES))
    large.write_bytes(secrets.token_bytes(LARGE_BYTES))
    scene = Scene(endpoint, folder, small, large)
    arguments = {
        "endpoint_url": endpoint,
        "aws_access_key_id": scene.access_key_id,
        "aws_secret_access_key": scene.secret_access_key,
        "region_name": scene.region,
    }
    boto3.client("s3", **arguments).create_bucket(Bucket=scene.bucket)
    scene.key_arn = boto3.client("kms", **arguments).create_key()["KeyMetadata"]["Arn"]
    return scene


def run_step(client: Client, step: str) -> str:
    action = client.steps.get(step)
    if action is None:
        return "-"
    try:
        action()
    except Exception as error:
        details = getattr(error, "stderr", b"") or b""
        text = details.decode(errors="replace").strip() or f"{type(error).__name__}: {error}"
        click.echo(f"{client.name} {step}: {text}", err=True)
        return "FAILED"
    return "ok"


@click.command()
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...]) -> None:
    """Run all clients, or those whose NAMES are given."""
    rows: list[list[str]] = []
    with workplace("clients") as folder:
        endpoint, server = serve(folder)
        try:
            scene = make_scene(folder, endpoint)
            for make in (*PYTHON_CLIENTS, *PROGRAMS):
                if names and make.__name__ not in names:
                    continue
                try:
                    client = make(scene)
                except MissingError as error:
                    rows.append([make.__name__, f"not installed: {error}"])
                    continue
                rows.append([client.name, *(run_step(client, step) for step in STEPS)])
        finally:
            server.terminate()
            server.wait(START_SECONDS_MAX)
    click.echo(tabulate(rows, headers=["client", *STEPS]))
    failed = sum(row.count("FAILED") for row in rows)
    click.echo(f"CLIENTS clients={len(rows)} failed={failed}")
    sys.exit(1 if failed else 0)


main()
