import json
import os
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from objstore import compose
from objstore.compose import (
    StartError,
    bind,
    export_block,
    identities,
    metrics_folder,
    open_folder_kms,
    prepare,
    refuse_unsafe,
)
from objstore.offline import check
from objstore.settings import Settings
from objstore.storage.index import connect
from objstore.storage.index_identities import IdentityRows

MATERIAL = b64encode(bytes(range(32))).decode()
SEED = f"""
[[users]]
name = "bob"
access_key_id = "AKIABOB"
secret_access_key = "bobs secret"

[[keys]]
id = "b3537ef1-d8dc-4780-9f5a-55776cbb2f7f"
alias = "alias/planted"
material = "{MATERIAL}"

[[buckets]]
name = "planted-bucket"
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def started(settings: Settings) -> list[str]:
    said: list[str] = []
    prepare(settings, said.append)
    return said


@pytest.mark.parametrize(
    ("members", "refused"),
    [
        ({"dev": True}, False),
        ({"auth": "permissive"}, False),
        ({"host": "0.0.0.0"}, False),
        ({"host": "0.0.0.0", "dev": True}, True),
        ({"host": "192.168.1.1", "auth": "permissive"}, True),
        ({"host": "::1", "dev": True}, False),
    ],
)
def test_well_known_credentials_stay_at_home(members: dict[str, Any], refused: bool) -> None:
    settings = Settings(Path("data"), **members)
    if refused:
        with pytest.raises(StartError, match="loopback"):
            refuse_unsafe(settings)
    else:
        refuse_unsafe(settings)


def test_issuers_that_make_no_sense_stop_the_start(data: Path) -> None:
    with pytest.raises(StartError, match="ISSUER=discover"):
        started(Settings(data, oidc=("example.com",)))


def test_the_root_key_is_shown_once_and_kept_sealed(data: Path) -> None:
    first = started(Settings(data))
    assert "shown this once" in first[0]
    (line,) = [line for line in first[1].splitlines() if "SECRET" in line]
    secret = line.partition("=")[2]
    assert len(secret) >= 40
    assert started(Settings(data)) == []
    assert secret in export_block(Settings(data), "http://localhost:1")
    files = [path for path in data.rglob("*") if path.is_file()]
    assert not any(secret.encode() in path.read_bytes() for path in files)


def test_the_export_block_is_all_that_a_client_needs(data: Path) -> None:
    dev = Settings(data, dev=True, region="eu-west-1")
    assert export_block(dev, "http://127.0.0.1:9000").splitlines() == [
        "export AWS_ENDPOINT_URL=http://127.0.0.1:9000",
        "export AWS_ACCESS_KEY_ID=test",
        "export AWS_SECRET_ACCESS_KEY=test",
        "export AWS_DEFAULT_REGION=eu-west-1",
    ]
    with pytest.raises(StartError, match="no data folder"):
        export_block(Settings(data), "http://127.0.0.1:9000")


def test_a_seed_is_planted_and_left_alone_afterwards(data: Path, tmp_path: Path) -> None:
    seed = tmp_path / "seed.toml"
    seed.write_text(SEED)
    settings = Settings(data, dev=True, seed=seed)
    for _ in range(2):
        started(settings)
    kms = open_folder_kms(settings)
    try:
        directory, read = identities(settings, kms)
    finally:
        kms.close()
    assert directory.find("test") is not None
    connection = connect(data, read_only=True)
    rows = IdentityRows(connection)
    assert rows.key("AKIABOB") is not None
    assert [user.name for user in rows.page(settings.account, "user", limit=9)] == ["bob"]
    connection.close()
    assert [bucket.name for bucket in read.buckets] == ["planted-bucket"]
    assert list(check(data)) == ["checked rows=0 blobs=0 bytes=0"]


def test_a_seed_has_a_largest_size(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = tmp_path / "seed.toml"
    seed.write_text(SEED)
    monkeypatch.setattr(compose, "SEED_BYTES_MAX", 10)
    with pytest.raises(StartError, match="larger than 10 bytes"):
        started(Settings(data, dev=True, seed=seed))


def test_a_start_without_room_changes_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = SimpleNamespace(f_bavail=0, f_frsize=4096, f_blocks=1000)
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    with pytest.raises(StartError, match=r"^the disk of .* is full, free some of it: 0 bytes"):
        compose.have_room(Settings(data=data))
    assert list(data.iterdir()) == []


def test_an_address_that_is_taken_is_one_message() -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            StartError, match=rf"127\.0\.0\.1 port {port} cannot be served: Address"
        ):
            bind("127.0.0.1", port)


def test_an_address_that_cannot_be_is_one_message() -> None:
    with pytest.raises(StartError, match=r"192\.0\.2\.1 port 0 cannot be served: "):
        bind("192.0.2.1", 0)  # Set aside for documents: no machine has it.


def test_a_lost_key_store_is_one_message_and_changes_nothing(data: Path) -> None:
    started(Settings(data))
    (data / "kms").rename(data / "elsewhere")
    before = sorted(path for path in data.rglob("*"))
    with pytest.raises(StartError, match="has an index but no key store"):
        started(Settings(data))
    assert sorted(path for path in data.rglob("*")) == before
    (data / "elsewhere").rename(data / "kms")
    started(Settings(data))


def test_another_root_key_is_one_message_and_changes_nothing(data: Path) -> None:
    started(Settings(data))
    key = data / "root.key"
    kept = key.read_bytes()
    key.unlink()
    before = sorted(path for path in data.rglob("*"))
    with pytest.raises(StartError, match="root key"):
        started(Settings(data))
    assert sorted(path for path in data.rglob("*")) == before
    key.write_bytes(kept)
    key.chmod(0o600)
    started(Settings(data))


def test_permissive_says_so(data: Path) -> None:
    said = started(Settings(data, auth="permissive", dev=True))
    assert said[-1] == "any access key is accepted as the root of account 123456789012"


def test_the_metrics_of_dead_workers_go(data: Path) -> None:
    folder = metrics_folder(data)
    (folder / "counter_1.db").write_bytes(b"old")
    assert list(metrics_folder(data).iterdir()) == []


def test_settings_in_the_environment_hold_no_secret(data: Path) -> None:
    started(Settings(data))
    secret = export_block(Settings(data), "http://localhost").partition("SECRET_ACCESS_KEY=")[2]
    assert secret.splitlines()[0] not in json.dumps(Settings(data).to_json())
