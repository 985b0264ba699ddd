import subprocess
import sys
from pathlib import Path

from kms.aws.generation import MARK_BYTES, Generation


def test_a_change_is_seen_through_every_mapping(tmp_path: Path) -> None:
    one, other = Generation(tmp_path / "mark"), Generation(tmp_path / "mark")
    before = other.mark
    assert before == one.mark
    one.change()
    assert other.mark == one.mark != before
    one.close()
    other.close()


def test_a_change_is_seen_in_other_processes(tmp_path: Path) -> None:
    ours = Generation(tmp_path / "mark")
    before = ours.mark
    program = (
        "import sys; from pathlib import Path; from kms.aws.generation import Generation; "
        "Generation(Path(sys.argv[1])).change()"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "mark")], check=True)
    assert ours.mark != before
    ours.close()


def test_the_file_is_private_and_survives(tmp_path: Path) -> None:
    first = Generation(tmp_path / "mark")
    first.change()
    mark = first.mark
    first.close()
    first.close()
    assert (tmp_path / "mark").stat().st_mode & 0o777 == 0o600
    again = Generation(tmp_path / "mark")
    assert again.mark == mark
    assert len(mark) == MARK_BYTES
    again.close()
