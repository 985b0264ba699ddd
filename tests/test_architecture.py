"""The rules of docs/architecture.md, enforced: import edges, sizes, mirrors, banned calls."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted([*ROOT.glob("kms/**/*.py"), *ROOT.glob("objstore/**/*.py")])
TESTS = sorted((ROOT / "tests").glob("**/*.py"))
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 500

# Who may import what, by the longest matching prefix of the importer. An import is allowed when
# it starts with one of the names; imports from outside the two packages are always allowed.
ALLOWED = {
    "kms.aws": ("kms.aws",),
    "kms": ("kms",),
    "objstore.compose": ("objstore", "kms.aws", "kms.client"),
    "objstore.worker": ("objstore", "kms.aws", "kms.client"),
    "objstore.__main__": ("objstore", "kms.aws", "kms.client"),
    "objstore.crypt.data_keys": (
        "objstore.crypt",
        "objstore.storage.records",
        "objstore.errors",
        "kms.aws",
        "kms.client",
    ),
    "objstore.crypt": ("objstore.crypt", "objstore.storage.records", "objstore.errors", "kms.aws"),
    "objstore.storage": ("objstore.storage", "objstore.errors", "kms.aws"),
    "objstore.rules": ("objstore.rules", "objstore.names", "objstore.errors", "kms.aws"),
    "objstore.wire": ("objstore.wire", "objstore.errors", "kms.aws"),
    "objstore.transfer": (
        "objstore.transfer",
        "objstore.rules",
        "objstore.crypt",
        "objstore.storage",
        "objstore.call",
        "objstore.checksum",
        "objstore.payload",
        "objstore.names",
        "objstore.errors",
        "kms.aws",
    ),
    "objstore.operations": (
        "objstore.operations",
        "objstore.rules",
        "objstore.transfer",
        "objstore.crypt",
        "objstore.storage",
        "objstore.call",
        "objstore.checksum",
        "objstore.payload",
        "objstore.names",
        "objstore.errors",
        "kms.aws",
    ),
    "objstore": ("objstore", "kms.aws"),
}

# Calls with one owner: a dotted name and the modules that may use it.
OWNED_CALLS = {
    "time.time": ("kms.aws.clock",),
    "time.perf_counter": ("kms.aws.clock",),
    "datetime.now": ("kms.aws.clock",),
    "datetime.utcnow": (),
    "print": (),
    "eval": (),
    "exec": (),
}
FILE_OPENERS = (
    "objstore.storage.blobs",
    "objstore.storage.index",
    "objstore.storage.commits",
    "objstore.storage.spare",
    "objstore.storage.sweep",
    "objstore.storage.store",
    "objstore.storage.queues",
    "kms.root",
    "kms.store",
    "kms.aws.audit_log",
    "kms.aws.shared",
    "objstore.background",
    "objstore.compose",
    "objstore.__main__",
    "objstore.trace",
)


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    name = name_of(path)
    rule = max((prefix for prefix in ALLOWED if within(name, (prefix,))), key=len)
    for imported in imports(tree(path)):
        if within(imported, ("kms", "objstore")):
            assert within(imported, ALLOWED[rule]), f"{name} must not import {imported}"


def test_operations_do_not_import_each_other() -> None:
    for path in (ROOT / "objstore" / "operations").glob("*.py"):
        if path.name == "__init__.py":
            continue
        for imported in imports(tree(path)):
            assert not imported.startswith("objstore.operations"), f"{name_of(path)}: {imported}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_calls_have_their_owners(path: Path) -> None:
    name = name_of(path)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = dotted(node.func)
            owners = OWNED_CALLS.get(called)
            assert owners is None or name in owners, f"{name}:{node.lineno} calls {called}"
            if called in ("open", "os.open"):
                assert within(name, FILE_OPENERS) or name.startswith(FILE_OPENERS), (
                    f"{name}:{node.lineno} opens a file"
                )


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_sql_stays_in_its_rooms(path: Path) -> None:
    if "import apsw" in path.read_text():
        parent, stem = path.parent.name, path.stem
        assert (
            parent == "storage" and stem.startswith(("index", "commits", "store", "sweep"))
        ) or (parent == "kms" and stem.startswith("store")), path


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=name_of)
def test_sizes(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= FILE_LINES_MAX
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{path}: {node.name} has {lines} lines"


def test_every_module_has_its_tests_and_every_test_its_module() -> None:
    wanted = {
        Path("tests", *path.relative_to(ROOT).parts[:-1], f"test_{path.stem.strip('_')}.py")
        for path in MODULES
        if path.stem != "__init__"
    }
    present = {
        path.relative_to(ROOT)
        for folder in ("kms", "objstore")
        for path in (ROOT / "tests" / folder).glob("**/test_*.py")
    }
    assert wanted == present


def test_nothing_is_left_over() -> None:
    markers = ("TO" + "DO", "FIX" + "ME", "X" + "XX")
    for path in [*MODULES, *TESTS]:
        text = path.read_text()
        assert not any(marker in text for marker in markers), path


def test_packages_say_what_they_are_for() -> None:
    for path in MODULES:
        if path.read_text().strip():
            assert ast.get_docstring(tree(path)), f"{path} has no docstring"
