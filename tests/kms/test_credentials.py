from pathlib import Path

from kms.aws.clock import FixedClock
from kms.client import RootSettings, open_kms
from kms.credentials import SingleCredential, development, load_or_make


def test_the_root_key_is_made_once_and_kept_sealed(tmp_path: Path, clock: FixedClock) -> None:
    kms = open_kms(tmp_path, clock=clock, root=RootSettings())
    first, made = load_or_make(kms, "111122223333")
    again, made_again = load_or_make(kms, "111122223333")
    kms.close()
    assert (made, made_again) == (True, False)
    assert first == again
    assert first.access_key_id.startswith("AKIA")
    assert len(first.access_key_id) == 20
    assert len(first.secret_access_key) == 40
    assert first.principal.arn == "arn:aws:iam::111122223333:root"
    for path in tmp_path.iterdir():
        assert first.secret_access_key.encode() not in path.read_bytes()


def test_only_its_own_access_key_is_found() -> None:
    credentials = SingleCredential(development("111122223333"))
    found = credentials.find("test")
    assert found is not None
    assert found.secret_access_key == "test"
    assert credentials.find("other") is None
