from pathlib import Path
from typing import Any

import pytest
import uvicorn
from click.testing import CliRunner

from kms.__main__ import main


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def run(app: object, **settings: Any) -> None:
        calls.append({"app": app, **settings})

    monkeypatch.setattr(uvicorn, "run", run)
    return calls


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["serve", *arguments])
    return result.exit_code, result.output


def test_the_access_key_is_shown_once(served: list[dict[str, Any]], tmp_path: Path) -> None:
    code, first = run("--data", str(tmp_path), "--port", "1234", "--region", "eu-west-1")
    assert code == 0
    assert "export AWS_SECRET_ACCESS_KEY=" in first
    assert "export AWS_DEFAULT_REGION=eu-west-1" in first
    assert "http://127.0.0.1:1234" in first
    code, second = run("--data", str(tmp_path))
    assert code == 0
    assert "SECRET" not in second
    assert [call["port"] for call in served] == [1234, 8080]


def test_development_needs_loopback(served: list[dict[str, Any]], tmp_path: Path) -> None:
    code, output = run("--data", str(tmp_path), "--dev")
    assert code == 0
    assert "AWS_ACCESS_KEY_ID=test" in output
    code, output = run("--data", str(tmp_path), "--dev", "--host", "0.0.0.0")
    assert code == 2
    assert "loopback" in output
    assert len(served) == 1


def test_a_missing_root_is_one_message(served: list[dict[str, Any]], tmp_path: Path) -> None:
    run("--data", str(tmp_path))
    (tmp_path / "root.key").unlink()
    code, output = run("--data", str(tmp_path))
    assert code == 1
    assert output.startswith("Error: cannot open the root key file")
    assert len(served) == 1
