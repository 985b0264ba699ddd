import os
import resource
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from objstore import log
from objstore.compose import SETTINGS_VARIABLE, prepare
from objstore.settings import Settings
from objstore.worker import application

SEED = """
[[keys]]
id = "b3537ef1-d8dc-4780-9f5a-55776cbb2f7f"
alias = "alias/planted"

[[buckets]]
name = "planted-bucket"
"""


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the test run's own logging and limits as they are."""
    monkeypatch.setattr(log, "configure", lambda *_: None)
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)


@pytest.mark.usefixtures("quiet")
def test_a_worker_serves_what_was_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = tmp_path / "seed.toml"
    seed.write_text(SEED)
    data = tmp_path / "data"
    data.mkdir()
    settings = Settings(data, dev=True, seed=seed, auth="permissive")
    prepare(settings, lambda _: None)
    monkeypatch.setitem(os.environ, SETTINGS_VARIABLE, settings.to_json())
    with TestClient(application(), base_url="http://localhost") as client:
        assert client.get("/_/health").json() == {"live": True, "ready": True}
        listed = client.get("/", headers=signed("s3"))
        assert "<Name>planted-bucket</Name>" in listed.text
        assert client.put("/other-bucket", headers=signed("s3")).status_code == 200
        keys = client.post(
            "/",
            content=b'{"KeyId": "alias/planted"}',
            headers={**signed("kms"), "x-amz-target": "TrentService.DescribeKey"},
        )
        assert keys.json()["KeyMetadata"]["KeyId"] == "b3537ef1-d8dc-4780-9f5a-55776cbb2f7f"
        moved = client.post("/_/clock", json={"advance_seconds": 86_400})
        assert moved.json()["offset_seconds"] == 86_400.0
        assert client.post("/_/reset").text == "reset\n"
        assert client.get("/_/clock").json()["offset_seconds"] == 0.0
        listed = client.get("/", headers=signed("s3"))
        assert "planted-bucket" in listed.text
        assert "other-bucket" not in listed.text


def signed(service: str) -> dict[str, str]:
    scope = f"AKIA/20261124/us-east-1/{service}/aws4_request"
    return {
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, "
        "Signature=" + "0" * 64,
        "x-amz-date": "20261124T000000Z",
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
    }
