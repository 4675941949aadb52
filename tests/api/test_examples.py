"""Every example in a docstring runs, and docs/api.md is what the docstrings say."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import miqd_builder as mb
from tests.conftest import ROOT

PACKAGES = ("degradations", "miqd_builder", "pipelines")
WITH_EXAMPLES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for package in PACKAGES
    for file in (ROOT / package).rglob("*.py")
    if ">>> " in file.read_text(encoding="utf-8")
)


def examples(module: ModuleType) -> list[doctest.DocTest]:
    """Examples of a module; functions behind a decorator count with their own docstring."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for test in finder.find(module) if test.examples]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tests = examples(importlib.import_module(name))
    assert tests, "the module holds >>> outside of docstrings that are found"
    runner = doctest.DocTestRunner(verbose=False)
    for test in tests:
        result = runner.run(test)
        assert result.attempted and not result.failed, f"{test.name}: {result}"


@pytest.mark.parametrize("name", [name for name in mb.__all__ if name not in ("MiqdError", "__version__")])
def test_every_public_name_has_an_example(name: str) -> None:
    assert ">>> " in (getattr(mb, name).__doc__ or "")


def test_the_page_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, "docs/generate_api.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_page_has_every_public_name() -> None:
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    missing = [name for name in mb.__all__ if f"### {name}\n" not in page and name not in ("MiqdError", "__version__")]
    assert not missing
