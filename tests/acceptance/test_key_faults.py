"""A few scenarios of scripts/faults/key_store.py; all of them take about half a minute."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.acceptance
SCRIPT = Path(__file__).parents[2] / "scripts" / "faults" / "key_store.py"
SCENARIOS = ("ReplicateKey", "rotation on demand", "deletion")


def test_a_process_that_dies_in_a_write_leaves_the_old_state_or_the_new() -> None:
    command = [sys.executable, str(SCRIPT), *SCENARIOS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=SCRIPT.parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
    for line, scenario in zip(done.stdout.splitlines(), SCENARIOS, strict=False):
        assert line.startswith(f"{scenario}: ")
    assert int(done.stdout.split()[-2]) >= 30
