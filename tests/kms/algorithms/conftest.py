"""The published test vectors, one parameter a case."""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent.parent / "vectors" / "algorithms"


def cases_of(name: str) -> list[dict[str, Any]]:
    """The cases of a file, long keys put in place of their names."""
    document = json.loads((FOLDER / f"{name}.json").read_text())
    keys = document.get("keys", {})
    return [
        {field: keys.get(value, value) for field, value in case.items()}
        for case in document["cases"]
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `case` runs for every case of the file of its module's name."""
    if "case" in metafunc.fixturenames:
        assert metafunc.module is not None
        cases = cases_of(metafunc.module.__name__.rpartition("test_")[2])
        metafunc.parametrize("case", cases, ids=[case["why"] for case in cases])
