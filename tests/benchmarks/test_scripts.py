"""The benchmarks start as the documents write it: ``python benchmarks/X.py``."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from tests.conftest import ROOT

BENCHMARKS = ROOT / "benchmarks"
SCRIPTS = sorted(BENCHMARKS.glob("*.py"))


def start(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, script.relative_to(ROOT), *arguments]
    return subprocess.run([*map(str, command)], cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_starts_and_says_what_it_measures(script: Path) -> None:
    shown = start(script, "--help")
    assert shown.returncode == 0, shown.stderr
    assert f"usage: {script.name}" in shown.stdout and f"python benchmarks/{script.name}" in shown.stdout


def test_nothing_in_the_folder_hides_another_module() -> None:
    """A script's folder comes first on the path."""
    elsewhere = [str(ROOT), *(entry for entry in sys.path if entry and Path(entry).resolve() != BENCHMARKS)]
    names = {file.stem for file in SCRIPTS} | {folder.parent.name for folder in BENCHMARKS.glob("*/__init__.py")}
    hidden = [name for name in names if name in sys.stdlib_module_names or PathFinder.find_spec(name, elsewhere)]
    assert names and hidden == []


def test_options_without_effect_are_refused(tmp_path: Path) -> None:
    plan = BENCHMARKS / "plan.py"
    refused = start(plan, "--local", "--delay", 0.01)
    assert refused.returncode == 2 and "which --local leaves out" in refused.stderr
    small = ("--local", "--folder", tmp_path, "--parts", 1, "--models", 2)
    made = start(plan, *small)
    assert made.returncode == 0 and "7 parts on a local disk, with its index" in made.stdout, made.stderr
    refused = start(plan, *small[:-1], 3)
    assert refused.returncode == 2 and "has 1 parts and 2 models" in refused.stderr
