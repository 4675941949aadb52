"""A short form of ``make chaos``: each fault once, in rounds that last some seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.case import BrokenPromiseError, Case, check_complete, check_kept, check_one_line, finished, make_case
from tests.chaos.faults import FAULTS
from tests.chaos.rounds import Round, check_twice, play

SHORT = ("kill client", "kill worker", "kill scheduler", "jumping clock, killed", "full disk", "read-only disk", "cut network")
"""Faults of the short form; the others take longer, or have tests of their own."""


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("case"))


@pytest.mark.parametrize("name", SHORT)
def test_a_fault(case: Case, tmp_path: Path, name: str) -> None:
    if missing := FAULTS[name].missing():
        pytest.skip(missing)
    outcome = play(case, FAULTS, 1000 + SHORT.index(name), tmp_path, name)
    assert outcome.problem is None, outcome
    assert outcome.doings


def test_the_checks_see_what_they_must_see(case: Case, tmp_path: Path) -> None:
    one = Round(case, 3, tmp_path)
    out = case.folder / "undisturbed" / one.task
    check_complete(case, one.task, out)
    early = finished(out)
    part = next(iter(early))
    content = (out / part).read_bytes()
    try:
        (out / part).write_bytes(content[:-1] + b"x")
        with pytest.raises(BrokenPromiseError, match="parts differ"):
            check_complete(case, one.task, out)
        with pytest.raises(BrokenPromiseError, match="written again"):
            check_kept(out, early)
    finally:
        (out / part).write_bytes(content)
    (out / "labels" / "left.tmp").touch()
    with pytest.raises(BrokenPromiseError, match="lie about"):
        check_complete(case, one.task, out)
    (out / "labels" / "left.tmp").unlink()
    with pytest.raises(BrokenPromiseError, match="models saw 1000 images"):
        check_twice(one, 1000)


@pytest.mark.parametrize("text", ["", "Error: a\nError: b\n", "Traceback (most recent call last)\nError: a\n"])
def test_one_line_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "log").write_text(text)
    with pytest.raises(BrokenPromiseError, match="not one line"):
        check_one_line(tmp_path / "log")


def test_the_command_lists_its_options() -> None:
    result = subprocess.run([sys.executable, "-m", "tests.chaos", "--help"], capture_output=True, text=True, check=True)
    assert "--only" in result.stdout and "--minutes" in result.stdout
