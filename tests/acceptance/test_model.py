"""A few hundred steps of scripts/model_test, the same ones each time; the whole takes a while."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "model_test"
STEPS_MIN = 200


def test_a_server_answers_as_the_reference() -> None:
    command = [sys.executable, str(SCRIPT), "--same", "--examples", "10", "--steps", "35"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=SCRIPT.parents[1]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    name, steps, differences = done.stdout.split()
    assert (name, differences) == ("STATEFUL", "diffs=0")
    assert int(steps.removeprefix("steps=")) >= STEPS_MIN
