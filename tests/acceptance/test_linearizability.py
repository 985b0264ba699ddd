"""A small form of scripts/faults/linearizability.py, without kills; the whole takes a while."""

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "faults" / "linearizability.py"
OPERATIONS = 400


def test_many_clients_see_one_copy_of_each_key_and_a_broken_server_is_caught() -> None:
    command = [sys.executable, str(SCRIPT), "--no-kill", "--operations", str(OPERATIONS)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=SCRIPT.parents[2]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = dict(re.findall(r"(\w+)=(\w+)", done.stdout.splitlines()[-1]))
    assert int(counts["ops"]) >= OPERATIONS
    assert counts["violations"] == counts["unknown"] == counts["wrong"] == "0"
    assert counts["mutant_caught"] == "yes"
    for seen in ("put new mismatch", "put over done", "copy mismatch", "complete done"):
        assert f"{seen}: " in done.stderr
