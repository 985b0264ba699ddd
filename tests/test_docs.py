"""The documents say what the code does: operations, flags, pages, error codes, links."""

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import click
import pytest

from kms import condition_keys as kms_keys
from kms.__main__ import main as kms_main
from kms.aws import global_keys
from kms.errors import CATALOGUE as KMS_CATALOGUE
from objstore import condition_keys as s3_keys
from objstore.__main__ import main
from objstore.errors import CATALOGUE

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = {
    path: path.read_text()
    for package in ("kms", "objstore")
    for path in (ROOT / package).glob("**/*.py")
}
OTHERS = r"\baws (s3|kms|s3api|iam|sts|cloudtrail)\b|\bcurl\b|\bdocker\b|--numprocesses"
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_list_of_operations_is_the_codes() -> None:
    written = (ROOT / "docs" / "operations.md").read_text()
    assert written == script("operations").render(), "run scripts/operations"


def flags(command: click.Command) -> set[str]:
    """The flags of a command and of all its subcommands."""
    found = {
        flag
        for parameter in command.params
        for flag in (*parameter.opts, *parameter.secondary_opts)
        if flag.startswith("--")
    }
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            found |= flags(subcommand)
    return found


def test_every_flag_of_serve_is_in_the_howto() -> None:
    howto = (ROOT / "docs" / "howto.md").read_text()
    table = howto.partition("## Choose")[0]
    serve = main.commands["serve"]
    documented = set(re.findall(r"`(--[a-z0-9-]+)`", table))
    assert documented == flags(serve) - {"--help"}
    for parameter in serve.params:
        if parameter.envvar is not None:
            assert f"`{parameter.envvar}`" in table


@pytest.mark.parametrize("command", [main, kms_main], ids=["objstore", "kms"])
def test_every_flag_of_every_command_is_in_a_document(command: click.Command) -> None:
    written = "".join(path.read_text() for path in DOCUMENTS)
    assert flags(command) - {"--help", "--version"} <= set(FLAG.findall(written))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_no_document_names_a_flag_that_does_not_exist(path: Path) -> None:
    """In lines about our commands; the flags of other programs are their own."""
    known = flags(main) | flags(kms_main) | {"--version", "--once", "--fix"}
    for line in path.read_text().splitlines():
        if re.search(OTHERS, line):
            continue
        if "objstore" in line or "python -m kms" in line or line.startswith("| `--"):
            assert set(FLAG.findall(line)) <= known, line


def test_every_page_of_the_server_is_in_the_howto() -> None:
    howto = (ROOT / "docs" / "howto.md").read_text()
    pages = set(re.findall(r'"(/_/[a-z]+)"', SOURCES[ROOT / "objstore" / "internal.py"]))
    assert len(pages) >= 4
    assert {page for page in pages if page not in howto} == set()
    assert set(re.findall(r"/_/[a-z]+", howto)) == pages


@pytest.mark.parametrize(
    ("owner", "catalogue"),
    [
        ("objstore/errors.py", CATALOGUE),
        ("kms/errors.py", KMS_CATALOGUE),
    ],
)
def test_every_error_of_a_catalogue_is_raised(owner: str, catalogue: Mapping[str, object]) -> None:
    package = owner.rpartition("/")[0]
    text = "".join(
        source
        for path, source in SOURCES.items()
        if path != ROOT / owner and path.is_relative_to(ROOT / package)
    )
    assert {code for code in catalogue if f'"{code}"' not in text} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_no_test_of_the_public_suite_both_passes_and_contradicts_aws() -> None:
    page = (ROOT / "docs" / "conformance.md").read_text()
    explained = script("conformance").contradictions(page)
    assert explained
    assert [name for name in explained if not re.fullmatch(r"test_[\w\[\]-]+", name)] == []
    passing = (ROOT / "docs" / "conformance" / "passing.txt").read_text().split()
    assert passing == sorted(set(passing))
    assert {name.rpartition("::")[2] for name in passing} & explained == set()


def test_condition_keys_are_the_codes() -> None:
    text = (ROOT / "docs" / "access.md").read_text().partition("## Condition keys")[2]
    named = set()
    for paragraph in text.split("\n\n"):
        service, colon, listed = paragraph.strip().partition(":")
        if colon and service in ("Global", "KMS", "S3"):
            prefix = "aws" if service == "Global" else service.lower()
            names = re.findall("`([^`]*)`", listed)
            named |= {name if ":" in name else f"{prefix}:{name}" for name in names}
    plain = {name.lower() for name in named if not name.endswith("…")}
    known = {*global_keys.KEYS, *kms_keys.KEYS, *s3_keys.KEYS}
    assert plain - {"aws:tagkeys"} == {key for key in known if "x-amz-" not in key} - {
        "aws:tagkeys"
    }
