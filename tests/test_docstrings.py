"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_structure import LAYERS

WITH_EXAMPLES = [
    file.relative_to(ROOT)
    for package in LAYERS
    for file in sorted((ROOT / package).rglob("*.py"))
    if ">>> " in file.read_text("utf-8")
]
"""Found by their text: a module without an example isn't imported, whatever it needs."""


@pytest.mark.parametrize("file", WITH_EXAMPLES, ids=str)
def test_examples(file: Path) -> None:
    module = importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
    result = doctest.testmod(module)
    assert result.attempted > 0, "the module has an example that doctest doesn't find"
    assert result.failed == 0


def test_a_wrong_example_is_found() -> None:
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    assert doctest.DocTestRunner(verbose=False).run(example, out=lambda text: None).failed == 1
