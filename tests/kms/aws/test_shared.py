import subprocess
import sys
from pathlib import Path

import pytest

from kms.aws.shared import SharedNumber, map_file


def test_a_number_is_the_same_through_every_mapping(tmp_path: Path) -> None:
    one, other = SharedNumber(tmp_path / "number"), SharedNumber(tmp_path / "number")
    assert one.value == 0.0
    one.value = -2_592_000.25
    assert other.value == -2_592_000.25
    for number in (one, other, one):
        number.close()


def test_a_number_is_the_same_in_other_processes_and_survives(tmp_path: Path) -> None:
    ours = SharedNumber(tmp_path / "number")
    program = (
        "import sys; from pathlib import Path; from kms.aws.shared import SharedNumber; "
        "SharedNumber(Path(sys.argv[1])).value = 7.5"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "number")], check=True)
    assert ours.value == 7.5
    ours.close()
    again = SharedNumber(tmp_path / "number")
    assert again.value == 7.5
    again.close()


def test_the_file_is_private_and_of_that_length(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    mapped = map_file(tmp_path / "file", 4)
    assert mapped[:] == b"0123"
    mapped.close()
    assert (tmp_path / "file").stat().st_size == 4
    map_file(tmp_path / "new", 8).close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_blocks > 0
    with pytest.raises(OSError, match="No such file"):
        map_file(tmp_path / "absent" / "file", 8)
