import subprocess
import sys

PROGRAM = """
import ctypes, resource
from kms.process import harden
library = ctypes.CDLL(None)
before = library.prctl(3, 0, 0, 0, 0)
harden()
print(before, library.prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))
"""


def test_a_hardened_process_is_not_dumpable() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "1 0 (0, 0)\n"
