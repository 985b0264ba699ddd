"""A few scenarios of scripts/faults/encryption.py; all of them take about a minute."""

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "faults" / "encryption.py"
SCENARIOS = ("copy in place", "complete, bucket key", "update SSE-KMS")
DEATHS_MIN = 60


def test_a_process_that_dies_leaves_the_old_object_or_the_new() -> None:
    command = [sys.executable, str(SCRIPT), *SCENARIOS]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=SCRIPT.parents[2]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = dict(re.findall(r"(\w+)=(\d+)", done.stdout.splitlines()[-1]))
    assert int(counts["deaths"]) >= DEATHS_MIN
    assert int(counts["old"]) > 0
    assert int(counts["new"]) > 0
    assert (counts["neither"], counts["left"]) == ("0", "0")
