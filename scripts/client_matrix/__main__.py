"""Every client against one server: only the endpoint and the credentials are set.

Each client does each step: put, multipart, get, range, list, copy, SSE-KMS, delete. The exit status
is 0 if no step failed; a client that is not installed is left out and named.
"""

import secrets
import sys
from pathlib import Path

import click
from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from programs import PROGRAMS
from python_clients import PYTHON_CLIENTS
from scene import STEPS, Client, MissingError, Scene
from server import Server, client
from workplace import workplace

SMALL_BYTES = 10_000
LARGE_BYTES = 20 * 1024 * 1024 + 17


def make_scene(folder: Path, endpoint: str) -> Scene:
    small, large = folder / "small.bin", folder / "large.bin"
    small.write_bytes(secrets.token_bytes(SMALL_BYTES))
    large.write_bytes(secrets.token_bytes(LARGE_BYTES))
    scene = Scene(endpoint, folder, small, large)
    client(endpoint, "s3").create_bucket(Bucket=scene.bucket)
    scene.key_arn = client(endpoint, "kms").create_key()["KeyMetadata"]["Arn"]
    return scene


def run_step(one: Client, step: str) -> str:
    action = one.steps.get(step)
    if action is None:
        return "-"
    try:
        action()
    except Exception as error:
        details = getattr(error, "stderr", b"") or b""
        text = details.decode(errors="replace").strip() or f"{type(error).__name__}: {error}"
        click.echo(f"{one.name} {step}: {text}", err=True)
        return "FAILED"
    return "ok"


@click.command()
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...]) -> None:
    """Run all clients, or those whose NAMES are given."""
    rows: list[list[str]] = []
    with workplace("clients") as folder:
        server = Server(folder / "data", 1, program=[".venv/bin/objstore"])
        try:
            scene = make_scene(folder, server.endpoint)
            for make in (*PYTHON_CLIENTS, *PROGRAMS):
                if names and make.__name__ not in names:
                    continue
                try:
                    one = make(scene)
                except MissingError as error:
                    rows.append([make.__name__, f"not installed: {error}"])
                    continue
                rows.append([one.name, *(run_step(one, step) for step in STEPS)])
        finally:
            server.stop()
    click.echo(tabulate(rows, headers=["client", *STEPS]))
    failed = sum(row.count("FAILED") for row in rows)
    click.echo(f"CLIENTS clients={len(rows)} failed={failed}")
    sys.exit(1 if failed else 0)


main()
