"""A model test: random calls by boto3 on a real server, each answer compared with the reference's.

Calls are drawn, and a difference is boiled down to the fewest that show it, by Hypothesis.

    scripts/model-test [--examples N] [--steps N] [--random]
"""

import sys
from pathlib import Path
from typing import Any

import click
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from reads import Reads
from server import Server, client
from uploads import Uploads
from workplace import workplace
from writes import Writes


class Machine(Writes, Uploads, Reads):
    """All rules."""

    steps = 0

    def check_invariants(self, *arguments: Any, **named: Any) -> None:
        """Called by Hypothesis after each step."""
        super().check_invariants(*arguments, **named)
        Machine.steps += 1


@click.command()
@click.option("--examples", type=click.IntRange(1), default=40, show_default=True)
@click.option("--steps", type=click.IntRange(1), default=100, show_default=True)
@click.option("--random/--same", "drawn", default=True, help="Draw other calls each time.")
@click.option("--shrink/--no-shrink", default=True, help="Boil a difference down.")
def main(examples: int, steps: int, drawn: bool, shrink: bool) -> None:
    """Exit 0 if a server answers EXAMPLES series of up to STEPS calls as the reference does."""
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    with workplace("model") as folder:
        server = Server(folder / "data", 1, flags=("--allow-sse-c",))
        s3 = client(server.endpoint, "s3")
        run_state_machine_as_test(
            lambda: Machine(s3),
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                derandomize=not drawn,
                database=None,
                deadline=None,
                phases=phases,
                suppress_health_check=list(HealthCheck),
            ),
        )
        server.stop()
    click.echo(f"STATEFUL steps={Machine.steps} diffs=0")


if __name__ == "__main__":
    main()
