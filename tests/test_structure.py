"""The shape of the code: what may import what, and how large files and folders are."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.import_graph import find_cycle, import_graph

LAYERS = ("degradations", "miqd_builder", "machine_iqa", "pipelines")
"""Each may import itself and those before it."""

VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "processor"}


def python_files() -> list[Path]:
    return [file for folder in (*LAYERS, "benchmarks", "tests") for file in sorted((ROOT / folder).rglob("*.py"))]


def lengths() -> dict[str, int]:
    """Lines of each file that has any."""
    counts = {str(file.relative_to(ROOT)): len(file.read_text("utf-8").splitlines()) for file in python_files()}
    return {name: count for name, count in counts.items() if count}


def test_no_import_cycle() -> None:
    cycle = find_cycle(import_graph(ROOT, LAYERS))
    assert not cycle, "import cycle: " + " -> ".join(cycle)


def test_dependencies_point_one_way() -> None:
    layer = {package: index for index, package in enumerate(LAYERS)}
    upward = [
        f"{name} -> {module}"
        for name, modules in import_graph(ROOT, LAYERS).items()
        for module in modules
        if layer[module.partition(".")[0]] > layer[name.partition(".")[0]]
    ]
    assert not upward


@pytest.mark.parametrize(
    ("first", "second", "cycle"),
    [
        ("import p.b", "from p import a", {"p.a", "p.b"}),
        ("from .b import thing", "def f():\n    from p.a import other", {"p.a", "p.b"}),
        ("from . import THING", "", {"p", "p.a"}),
        ("from p import b", "if TYPE_CHECKING:\n    from p import a\nelse:\n    from q import a", set()),
        ("import p.b as a", "'p.a'", set()),
    ],
)
def test_the_graph_sees_a_cycle(tmp_path: Path, first: str, second: str, cycle: set[str]) -> None:
    (tmp_path / "p").mkdir()
    for name, code in {"__init__": "from p.a import f\nTHING = 1" if "THING" in first else "", "a": first, "b": second}.items():
        (tmp_path / "p" / f"{name}.py").write_text(code)
    assert set(find_cycle(import_graph(tmp_path, ["p"]))) == cycle


def test_files_are_short() -> None:
    assert statistics.median(lengths().values()) <= 150
    assert {name: count for name, count in lengths().items() if count > 300} == {}


def test_folders_are_flat() -> None:
    assert [name for name in lengths() if len(Path(name).parts) > 4] == []


def test_names_say_what_is_inside() -> None:
    vague = [file for file in python_files() if VAGUE & {part.removesuffix(".py") for part in file.relative_to(ROOT).parts}]
    assert vague == []
