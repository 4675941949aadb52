"""Kinds of inputs, and the one that belongs to a number: the same seed and number give the same input."""

from __future__ import annotations

import random
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzzing import folder_kinds, media_kinds, text_kinds, weight_kinds
from tests.fuzzing.corpus import Corpus
from tests.fuzzing.guard import MEMORY_BYTES, SECONDS, watched

Make = Callable[[random.Random, Corpus, Path], Callable[[], object]]
"""Writes one input into a folder and returns the call that opens it."""

KINDS: dict[str, tuple[Make, int]] = {
    "run file": (text_kinds.run_file, 10),
    "zoo file": (text_kinds.zoo_file, 8),
    "recipe": (text_kinds.recipe_file, 4),
    "training file": (text_kinds.training_file, 6),
    "annotations": (text_kinds.annotation_file, 12),
    "label table": (text_kinds.label_table, 10),
    "Parquet part": (folder_kinds.part, 14),
    "other file of a run folder": (folder_kinds.run_folder, 8),
    "checkpoint": (weight_kinds.checkpoint, 12),
    "quality weights, ONNX": (weight_kinds.quality_weights, 6),
    "image": (media_kinds.image, 16),
    "video": (media_kinds.video, 8),
    "table of scores": (media_kinds.assessed_table, 2),
}
"""How to make an input of each kind, and how many of 116 are of it."""


@dataclass(frozen=True)
class Finding:
    """An input that did what none may do.

    Attributes:
        number: of the input.
        kind: of it.
        problem: what happened.
    """

    number: int
    kind: str
    problem: str


@dataclass
class Tally:
    """What some inputs did.

    Attributes:
        opened: number of inputs by kind.
        findings: those that did what none may do.
    """

    opened: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)


def kind_of(seed: int, number: int) -> str:
    """Return the kind of an input."""
    names, weights = list(KINDS), [weight for _, weight in KINDS.values()]
    return random.Random(f"kind {seed} {number}").choices(names, weights)[0]


def open_inputs(
    corpus: Corpus, seed: int, numbers: Iterable[int], *, seconds: float = SECONDS, memory: int = MEMORY_BYTES
) -> Iterator[tuple[int, str, str | None]]:
    """Make and open inputs one after the other; yields number, kind and what was wrong, None for nothing."""
    for number in numbers:
        kind = kind_of(seed, number)
        with _folder() as folder, warnings.catch_warnings(action="ignore"):
            call = KINDS[kind][0](random.Random(f"input {seed} {number}"), corpus, folder)
            problem = watched(call, folder, seconds=seconds, memory=memory)
            problem = problem or _escaped(folder)
        yield number, kind, problem


def _escaped(folder: Path) -> str | None:
    """Say so if something lies beside the input's own folder: also what was written without Python's knowledge."""
    beside = [path.name for path in folder.parent.iterdir() if path != folder]
    return f"wrote beside its folder: {beside[0]}" if beside else None


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder in a folder of its own, gone afterwards."""
    outer = Path(tempfile.mkdtemp(prefix="fuzzing-"))
    inner = outer / "input"
    inner.mkdir()
    try:
        yield inner
    finally:
        shutil.rmtree(outer, ignore_errors=True)
