"""The PSNRs of candidates: written, read, and kept as far as they are valid."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_part
from miqd_builder.tables.candidates import read_candidates, valid_candidates, write_candidates
from miqd_builder.tables.lineage import CandidatesLineage
from miqd_builder.tables.schema import CANDIDATES

PSNRS = {"dog": {"fog": [30.0, math.inf]}, "cat": {"snow": [1.5], "fog": [2.5, 1.25]}, "eel": {}}
LINEAGE = CandidatesLineage(sources={"cat": "1", "dog": "2", "eel": "3"}, distortions={"fog": "4", "snow": "5"})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(str(tmp_path))
    write_candidates(folder, 7, PSNRS, LINEAGE)
    return folder


def test_rows_by_source_distortion_and_candidate(folder: RunFolder) -> None:
    table = read_part(folder, "candidates/part-00007.parquet")
    assert table.schema == CANDIDATES
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("cat", "fog", 1, 2.5),
        ("cat", "fog", 2, 1.25),
        ("cat", "snow", 1, 1.5),
        ("dog", "fog", 1, 30.0),
        ("dog", "fog", 2, math.inf),
    ]
    assert read_candidates(folder, 7) == {"cat": PSNRS["cat"], "dog": PSNRS["dog"]}
    assert read_candidates(folder, 8) == {}


def test_valid_are_those_of_the_same_source_and_distortion(folder: RunFolder) -> None:
    assert valid_candidates(folder, 7, LINEAGE) == PSNRS
    changed = CandidatesLineage(sources={"cat": "1", "dog": "changed", "new": "6"}, distortions={"fog": "changed", "snow": "5"})
    assert valid_candidates(folder, 7, changed) == {"cat": {"snow": [1.5]}, "dog": {}, "new": {}}
    fewer = CandidatesLineage(sources=LINEAGE.sources, distortions={"fog": "4"})
    assert valid_candidates(folder, 7, fewer)["cat"] == {"fog": [2.5, 1.25]}
    assert valid_candidates(folder, 9, LINEAGE) == {"cat": {}, "dog": {}, "eel": {}}


def test_a_damaged_part_counts_as_none(folder: RunFolder) -> None:
    path = Path(folder.path("candidates/part-00007.parquet"))
    path.write_bytes(path.read_bytes()[:100])
    assert read_candidates(folder, 7) == {}
    assert valid_candidates(folder, 7, LINEAGE) == {"cat": {}, "dog": {}, "eel": {}}
