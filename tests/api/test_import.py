"""``import miqd_builder`` takes no time, and its names are there all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

import miqd_builder as mb
from tests.conftest import ROOT
from tests.test_imports import HEAVY


def in_a_process(code: str) -> str:
    """What a program prints in a fresh interpreter."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_import_loads_nothing_and_takes_no_time() -> None:
    code = """
import sys, time
before = set(sys.modules)
start = time.process_time()
import miqd_builder as mb
dir(mb), mb.__version__
print(time.process_time() - start, *{name.split(".")[0] for name in set(sys.modules) - before})
"""
    seconds, *loaded = in_a_process(code).split()
    assert float(seconds) < 0.2
    assert not (HEAVY | {"numpy", "pydantic", "fsspec", "rich", "pipelines"}) & set(loaded)


@pytest.mark.parametrize(
    ("name", "unwanted"),
    [
        ("list_models", HEAVY | {"pipelines"}),
        ("open_run", {"torch", "dask", "distributed", "jinja2", "numba", "duckdb", "pipelines"}),
        ("score", {"torch", "dask", "distributed", "jinja2", "pipelines"}),
        ("degrade", {"torch", "dask", "distributed", "numba"}),
    ],
)
def test_a_name_loads_what_it_needs(name: str, unwanted: set[str]) -> None:
    loaded = in_a_process(
        f"import sys; from miqd_builder import {name}; print(*{{m.split('.')[0] for m in sys.modules}})"
    ).split()
    assert not unwanted & set(loaded)


def test_every_public_name_is_there_and_listed() -> None:
    assert set(mb.__all__) <= set(dir(mb))
    for name in mb.__all__:
        assert getattr(mb, name) is not None
    wanted = "degrade label audit export import_labels compare verify open_run list_models create_model image_ap score"
    assert set(wanted.split()) <= set(mb.__all__)


def test_functions_are_not_hidden_by_packages() -> None:
    """A package of the name of a function would take its place as soon as something imports it."""
    code = """
import pkgutil, miqd_builder as mb
print(*{module.name for module in pkgutil.iter_modules(mb.__path__)} & set(mb.__all__))
"""
    assert in_a_process(code).split() == []


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'lable'\. Did you mean 'label'"):
        mb.lable  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("package", ["miqd_builder", "degradations", "pipelines"])
def test_packages_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert '"py.typed"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
