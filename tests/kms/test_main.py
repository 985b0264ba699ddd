import json
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from click.testing import CliRunner

from kms.__main__ import main
from kms.app import App
from kms.aws.arn import account_root
from kms.aws.identity import Caller, Principal, PrincipalKind

ACCOUNT = "111122223333"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def run(app: object, **settings: Any) -> None:
        calls.append({"app": app, **settings})

    monkeypatch.setattr(uvicorn, "run", run)
    return calls


def run(*arguments: str, command: str = "serve") -> tuple[int, str]:
    result = CliRunner().invoke(main, [command, *arguments])
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


def test_a_trail_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = Principal(PrincipalKind.ROOT, ACCOUNT, account_root(ACCOUNT), ACCOUNT)

    def serve(app: App, **settings: Any) -> None:
        caller = Caller(root, "AKIA1", "us-east-1", "request-1")
        assert app._kms.handle("TrentService.ListKeys", b"{}", caller)[0] == 200

    monkeypatch.setattr(uvicorn, "run", serve)
    assert run("--data", str(tmp_path), "--dev")[0] == 0
    [path] = (tmp_path / "audit").iterdir()
    [line] = path.read_text().splitlines()
    record = json.loads(line)
    assert (record["eventName"], record["requestID"]) == ("ListKeys", "request-1")


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


def test_the_root_of_trust_changes_and_rotates(
    served: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ("--data", str(tmp_path))
    _, first = run(*data)
    assert "AWS_SECRET_ACCESS_KEY" in first
    monkeypatch.setenv("MY_ROOT", "ab" * 32)
    assert run(*data, "--to", "environment:MY_ROOT", command="reseal") == (
        0,
        "resealed domain_keys=1; start with --root environment:MY_ROOT from now on\n",
    )
    code, output = run(*data)
    assert code == 1
    assert output == "Error: this key store's root of trust is environment, not key-file\n"
    monkeypatch.setenv("KMS_ROOT", "environment:MY_ROOT")
    assert run(*data, command="rotate-root") == (0, "rotated domain_key=2\n")
    assert run(*data) == (0, "")
    monkeypatch.setenv("MY_ROOT", "cd" * 32)
    for command in ("serve", "rotate-root"):
        code, output = run(*data, command=command)
        assert code == 1
        assert output.startswith("Error: the root key in MY_ROOT is not the one")
    code, output = run(*data, "--to", "key-file", command="reseal")
    assert (code, len(served)) == (1, 2)
