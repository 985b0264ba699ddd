from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from objstore import __main__, compose, offline
from objstore.__main__ import main, variable
from objstore.compose import StartError
from objstore.crypt.customer_keys import NO_CUSTOMER_KEY, CustomerKeyHeaders, headers_for
from objstore.errors import AWSError
from objstore.explain import Asked
from objstore.rewrap import Count
from objstore.settings import Settings
from objstore.transfer.rewrap import Target


def run(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments, env=env)
    return result.exit_code, result.output


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that `serve` was called with, without serving."""
    calls: list[Settings] = []

    def serve(settings: Settings, *, announce: Callable[[str], None]) -> None:
        calls.append(settings)
        announce("served")

    monkeypatch.setattr(compose, "serve", serve)
    return calls


def test_defaults(served: list[Settings]) -> None:
    assert run("serve") == (0, "served\n")
    assert served == [Settings(Path("data"))]


FLAGS: list[tuple[str, str, str, Any]] = [
    ("data", "/somewhere", "data", Path("/somewhere")),
    ("host", "::1", "host", "::1"),
    ("port", "0", "port", 0),
    ("workers", "3", "workers", 3),
    ("region", "eu-west-1", "region", "eu-west-1"),
    ("account", "111122223333", "account", "111122223333"),
    ("auth", "permissive", "auth", "permissive"),
    ("domain", "s3.test", "domains", ("s3.test",)),
    ("log-level", "error", "log_level", "error"),
    ("oidc", "https://i.test=discover", "oidc", ("https://i.test=discover",)),
    ("oidc-algorithm", "ES384", "oidc_algorithms", ("ES384",)),
    ("root", "transit:objstore", "root", "transit:objstore"),
]


@pytest.mark.parametrize(("flag", "text", "name", "value"), FLAGS)
def test_every_flag_is_a_variable(
    served: list[Settings], flag: str, text: str, name: str, value: Any
) -> None:
    run("serve", f"--{flag}", text)
    run("serve", env={variable(flag): text})
    assert [getattr(settings, name) for settings in served] == [value, value]


def test_switches_and_files(served: list[Settings], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    path = str(file)
    run("serve", "--dev", "--seed", path, "--tls-cert", path, "--tls-key", path)
    (settings,) = served
    assert settings.dev
    assert (settings.seed, settings.tls_cert, settings.tls_key) == (file, file, file)
    assert settings.scheme == "https"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--port", "65536"), "65536 is not in the range"),
        (("--workers", "0"), "0 is not in the range"),
        (("--auth", "none"), "'none' is not one of"),
        (("--log-level", "loud"), "'loud' is not one of"),
        (("--seed", "/does/not/exist"), "does not exist"),
        (("--tls-cert", __file__), "--tls-cert and --tls-key go together"),
        (("--no-such-flag",), "No such option"),
    ],
)
def test_bad_flags(served: list[Settings], arguments: tuple[str, ...], message: str) -> None:
    code, output = run("serve", *arguments)
    assert code == 2
    assert message in output
    assert served == []


def test_a_start_that_fails_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(settings: Settings, **_: Any) -> None:
        raise StartError("the root key is another one")

    monkeypatch.setattr(compose, "serve", refuse)
    assert run("serve") == (1, "Error: the root key is another one\n")


def test_the_root_of_trust_changes_and_rotates(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    missing = run("reseal", *data, "--to", "environment")
    assert missing == (1, f"Error: {tmp_path / 'data' / 'kms'} has no key store\n")
    (tmp_path / "data").mkdir()
    compose.prepare(Settings(tmp_path / "data"), lambda text: None)
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple")
    secret.chmod(0o600)
    choice = f"passphrase:{secret}"
    assert run("reseal", *data, "--to", "vault")[0] == 1
    assert run("reseal", *data, "--to", choice) == (
        0,
        f"resealed domain_keys=1; start with --root {choice} from now on\n",
    )
    (tmp_path / "data" / "root.key").unlink()
    code, output = run("env", *data)
    assert (code, output) == (
        1,
        "Error: this key store's root of trust is passphrase, not key-file\n",
    )
    assert run("rotate-root", *data, env={"OBJSTORE_ROOT": choice}) == (0, "rotated domain_key=2\n")
    assert run("rotate-root", *data)[0] == 1
    code, output = run("env", *data, "--root", choice)
    assert code == 0
    assert "AWS_SECRET_ACCESS_KEY=" in output


def test_dev_is_for_loopback(tmp_path: Path) -> None:
    code, output = run("serve", "--dev", "--host", "0.0.0.0", "--data", str(tmp_path / "d"))
    assert code == 1
    assert "loopback" in output
    assert not (tmp_path / "d").exists()


def test_env_prints_what_a_client_needs(tmp_path: Path) -> None:
    code, output = run("env", "--dev", "--endpoint", "http://h:1", "--region", "eu-west-1")
    assert code == 0
    assert output.splitlines() == [
        "export AWS_ENDPOINT_URL=http://h:1",
        "export AWS_ACCESS_KEY_ID=test",
        "export AWS_SECRET_ACCESS_KEY=test",
        "export AWS_DEFAULT_REGION=eu-west-1",
    ]
    code, output = run("env", "--data", str(tmp_path))
    assert (code, output.startswith("Error: ")) == (1, True)


@pytest.mark.parametrize("target", ["bucket/key", "s3://bucket", "s3://bucket/", "https://b/k"])
def test_inspect_wants_an_object(target: str) -> None:
    code, output = run("inspect", target)
    assert code == 2
    assert "s3://BUCKET/KEY" in output


@pytest.mark.parametrize("verified", [True, False])
def test_inspect_exits_with_what_it_found(
    verified: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, str, CustomerKeyHeaders]] = []

    async def inspect(
        settings: Settings, *, bucket: str, key: str, customer: CustomerKeyHeaders
    ) -> tuple[str, bool]:
        asked.append((bucket, key, customer))
        return "what lies there", verified

    monkeypatch.setattr(offline, "inspect", inspect)
    code, output = run("inspect", "s3://bucket/a/b", "--data", str(tmp_path))
    assert (code, output) == (0 if verified else 1, "what lies there\n")
    (tmp_path / "key").write_bytes(b"k" * 32)
    run("inspect", "s3://bucket/a/b", "--customer-key", str(tmp_path / "key"))
    assert asked == [
        ("bucket", "a/b", NO_CUSTOMER_KEY),
        ("bucket", "a/b", headers_for(b"k" * 32)),
    ]


def test_rewrap_tells_its_progress_and_exits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    counts = [Count(versions=2, rewrapped=2), Count(versions=2, failed=1)]

    async def rewrap(settings: Settings, *, report: Callable[[str], None], **named: Any) -> Count:
        asked.append(named)
        report("a page")
        return counts.pop(0)

    monkeypatch.setattr(offline, "rewrap", rewrap)
    line = ["rewrap", "--bucket", "b", "--to", "alias/new"]
    done = "done versions=2 rewrapped=2 already=0 refused=0 failed=0"
    assert run(*line) == (0, f"a page\n{done}\n")
    assert run(*line, "--bucket-key", "--limit", "7")[0] == 1
    assert asked == [
        {"bucket": "b", "target": Target("alias/new", False), "rewrapped_max": None},
        {"bucket": "b", "target": Target("alias/new", True), "rewrapped_max": 7},
    ]


def test_rewrap_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    async def rewrap(settings: Settings, **named: Any) -> Count:
        raise AWSError("KMS.NotFoundException", "Invalid keyId 'nobody'")

    monkeypatch.setattr(offline, "rewrap", rewrap)
    code, output = run("rewrap", "--bucket", "b", "--to", "nobody")
    assert code == 1
    assert "Invalid keyId 'nobody'" in output


def test_explain_asks_and_exits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Asked] = []

    async def explain(settings: Settings, question: Asked) -> tuple[str, bool]:
        asked.append(question)
        return "what decides", question.action == "kms:Decrypt"

    monkeypatch.setattr(offline, "explain", explain)
    question = ["explain", "--data", str(tmp_path), "--principal", "p", "--resource", "r"]
    context = ["--context", "a:b=c", "--context", "d:e=f=g"]
    assert run(*question, "--action", "kms:Decrypt", *context) == (0, "what decides\n")
    assert run(*question, "--action", "kms:Encrypt") == (1, "what decides\n")
    assert asked[0] == Asked("p", "kms:Decrypt", "r", {"a:b": "c", "d:e": "f=g"})
    code, output = run(*question, "--action", "kms:Encrypt", "--context", "b")
    assert (code, "Error: a condition key" in output) == (1, True)
    assert run(*question)[0] == 2


def test_check_tells_and_exits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, output = run("check", "--data", str(tmp_path))
    assert (code, output.startswith("Error: ")) == (1, True)
    for lines, wanted in (
        (["checked rows=1 blobs=0 bytes=0"], 0),
        (["blob 1: missing", "checked rows=1 blobs=0 bytes=0"], 1),
    ):
        monkeypatch.setattr(offline, "check", lambda _, lines=lines: iter(lines))
        code, output = run("check", "--data", str(tmp_path))
        assert (code, output.splitlines()) == (wanted, lines)


def test_every_command_explains_itself() -> None:
    code, output = run("--help")
    assert code == 0
    for command in main.commands:
        assert f"  {command}" in output
        assert run(command, "--help")[0] == 0
    assert __main__.__doc__ is not None
