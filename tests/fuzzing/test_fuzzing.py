"""A short form of ``make fuzz``, and the proof that its guard sees what it must see."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from miqd_builder.errors import ConfigError
from tests.fuzzing import canary
from tests.fuzzing.corpus import Corpus, make_corpus
from tests.fuzzing.guard import watched
from tests.fuzzing.inputs import KINDS, kind_of, open_inputs

INPUTS = 150


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def test_damaged_inputs_of_every_kind(corpus: Corpus) -> None:
    numbers = range(1_000_000, 1_000_000 + INPUTS)
    assert {kind_of(0, number) for number in numbers} == set(KINDS)
    findings = [found for found in open_inputs(corpus, 0, numbers) if found[2] is not None]
    assert findings == []


def test_an_input_is_the_same_at_every_call(corpus: Corpus) -> None:
    import random

    for kind in ("annotations", "checkpoint", "video", "run file"):
        contents = []
        for number in range(2):
            folder = corpus.folder / f"again-{kind}-{number}"
            folder.mkdir()
            KINDS[kind][0](random.Random("same"), corpus, folder)
            files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
            contents.append({file.name: file.read_bytes().replace(str(folder).encode(), b"") for file in files})
        assert contents[0] == contents[1] and contents[0]


def write_outside(folder: Path) -> None:
    (folder.parent / "beside").write_text("x")


def raise_key_error(folder: Path) -> None:
    raise KeyError("x")


def wait(folder: Path) -> None:
    time.sleep(10)


def fill_memory(folder: Path) -> None:
    assert len(bytearray(2**31))


def run_program(folder: Path) -> None:
    subprocess.run(["true"], check=True)


def run_code(folder: Path) -> None:
    canary.touch()


def say_what_is_wrong(folder: Path) -> None:
    raise ConfigError("the thing, its value, the remedy")


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (write_outside, "writes outside: "),
        (raise_key_error, "KeyError: "),
        (wait, "no end within 0.5 s"),
        (fill_memory, "more than 256 MB of memory"),
        (run_program, "runs a program: 'true'"),
        (run_code, "code of the input ran"),
    ],
)
def test_the_guard_sees(tmp_path: Path, call, problem: str) -> None:
    found = watched(lambda: call(tmp_path), tmp_path, seconds=0.5 if call is wait else 20, memory=2**28)
    assert found is not None and found.startswith(problem)
    assert not (tmp_path.parent / "beside").exists()


def test_the_guard_takes_a_clear_line(tmp_path: Path) -> None:
    assert watched(lambda: say_what_is_wrong(tmp_path), tmp_path) is None
    assert watched(lambda: (tmp_path / "inside").write_text("x"), tmp_path) is None


def test_the_command_tells_what_it_found() -> None:
    result = subprocess.run([sys.executable, "-m", "tests.fuzzing", "--help"], capture_output=True, text=True, check=True)
    assert "--only" in result.stdout and "--seed" in result.stdout
