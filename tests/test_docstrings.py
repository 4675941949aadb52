"""The examples in docstrings give what they say, and every public name has one and is on the page of the API."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import miqd_builder as mb
from tests.conftest import ROOT
from tests.test_structure import LAYERS

PUBLIC = [name for name in mb.__all__ if name not in ("MiqdError", "__version__")]
WITH_EXAMPLES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in LAYERS
    for file in (ROOT / package).rglob("*.py")
    if ">>> " in file.read_text(encoding="utf-8")
)
"""Found by their text: a module without an example isn't imported, whatever it needs."""


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
        with np.printoptions(formatter={}):  # a framework may have set another one, for all of the process
            result = runner.run(test)
        assert result.attempted and not result.failed, f"{test.name}: {result}"


def test_a_wrong_example_is_found() -> None:
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    assert doctest.DocTestRunner(verbose=False).run(example, out=lambda text: None).failed == 1


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name: str) -> None:
    assert ">>> " in (getattr(mb, name).__doc__ or "")


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_on_the_page(name: str) -> None:
    assert f".{name}\n" in (ROOT / "docs/api.md").read_text(encoding="utf-8")
