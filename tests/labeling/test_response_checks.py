"""Responses that break their contract: the row is named, the model's part gets no scores, everything else goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pycocotools import mask as coco_mask

from miqd_builder.errors import InvalidResponsesError
from miqd_builder.labeling.response_checks import check_responses
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer, read_part, write_part
from miqd_builder.tables.schema import RESPONSES
from tests.conftest import part_bytes

HEIGHT, WIDTH = 40, 60
NAMES = {"original", "fog_1", "fog_2"}


def mask(*box: int, height: int = HEIGHT, width: int = WIDTH) -> bytes:
    """Run lengths of a filled box."""
    filled = np.zeros((height, width), np.uint8, order="F")
    filled[box[1] : box[3], box[0] : box[2]] = 1
    return coco_mask.encode(filled)["counts"]


def rows(task: str) -> list[dict[str, Any]]:
    """Good responses of two sources."""
    responses: list[dict[str, Any]] = []
    for source_id in ("a", "b"):
        for name in sorted(NAMES):
            row: dict[str, Any] = {"source_id": source_id, "degradation": name}
            if task == "cls":
                row |= {"top_ids": [4, 2, 7, -1, -1], "top_probs": [0.6, 0.2, 0.2, 0.0, 0.0], "target_prob": None}
            else:
                row |= {"height": HEIGHT, "width": WIDTH, "category_ids": [3, 1]}
            if task in ("det", "ins"):
                row |= {"boxes": [[0.0, 0.0, 20.0, 20.0], [5.5, 1.0, 60.0, 40.0]], "scores": [1.0, 0.25]}
            if task in ("ins", "seg"):
                row |= {"masks": [mask(0, 0, 20, 20), mask(30, 1, 60, 40)]}
            responses.append(row)
    return responses


def check(task: str, responses: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(responses, schema=RESPONSES[task])
    check_responses(task, table, {"a": (HEIGHT, WIDTH), "b": (HEIGHT, WIDTH)}, NAMES)


@pytest.mark.parametrize("task", ["cls", "det", "ins", "seg"])
def test_good_responses_pass(task: str) -> None:
    check(task, rows(task))
    check(task, [])
    empty = {name: [] for name in ("boxes", "scores", "category_ids", "masks")}
    check(task, [row | {key: value for key, value in empty.items() if key in row} for row in rows(task)])


PROBLEMS: list[tuple[str, dict[str, Any], str]] = [
    ("det", {"boxes": [[0, 0, float("nan"), 20], [0, 0, 1, 1]]}, r"has the box \(0, 0, nan, 20\), expected x1 < x2"),
    ("det", {"boxes": [[0, 0, 2, 20], [-3, 0, 1, 1]]}, r"has the box \(-3, 0, 1, 1\).* inside the image of 60x40 pixels"),
    ("det", {"boxes": [[0, 0, 2, 20], [3, 0, 1, 1]]}, r"has the box \(3, 0, 1, 1\)"),
    ("det", {"boxes": [[0, 0, 2, 20], [3, 0, 3, 1]]}, r"has the box \(3, 0, 3, 1\)"),
    ("det", {"boxes": [[0, 0, 61, 20], [3, 0, 3, 1]]}, r"has the box \(0, 0, 61, 20\)"),
    ("det", {"boxes": [[0, 0, 2, 20], None]}, "has an empty boxes"),
    ("det", {"boxes": [[0, 0, 2, 20]]}, "unequal numbers of boxes and category_ids"),
    ("det", {"scores": [1.5, 0.2]}, r"has the score 1\.5, expected \[0, 1\]"),
    ("det", {"scores": [0.5, -0.1]}, r"has the score -0\.1"),
    ("det", {"scores": [0.5, float("nan")]}, "has the score nan"),
    ("det", {"scores": None}, "has an empty scores"),
    ("det", {"scores": [0.5, None]}, "has an empty scores"),
    ("det", {"height": 41}, "is for an image of 60x41 pixels, expected 60x40"),
    ("det", {"source_id": "c"}, "of a source that the part doesn't hold: the responses are of another image set"),
    ("det", {"degradation": "snow_1"}, "of a degradation that the run doesn't hold"),
    ("det", {"source_id": "a", "degradation": "fog_1"}, "is there twice"),
    ("det", {k: [v] * 101 for k, v in {"boxes": [0, 0, 1, 1], "scores": 0.1, "category_ids": 1}.items()}, "more than 100"),
    ("ins", {"masks": [mask(0, 0, 9, 9), mask(0, 0, 9, 9, height=30)]}, "has a mask of another size than its image"),
    ("ins", {"masks": [mask(0, 0, 9, 9), b"\x01\x02"]}, "has a mask that is no COCO run lengths"),
    ("ins", {"masks": [mask(0, 0, 9, 9), b""]}, "has a mask that is no COCO run lengths"),
    ("ins", {"masks": [mask(0, 0, 9, 9), mask(0, 0, 0, 0)]}, "has a mask without a pixel"),
    ("ins", {"masks": [mask(0, 0, 9, 9), None]}, "has an empty masks"),
    ("ins", {"masks": [mask(0, 0, 9, 9)]}, "unequal numbers of masks and category_ids"),
    ("seg", {"masks": [mask(0, 0, 9, 9, width=30), mask(0, 0, 9, 9)]}, "has a mask of another size than its image"),
    ("cls", {"top_probs": [1.2, 0, 0, 0, 0]}, r"has top_probs outside \[0, 1\]"),
    ("cls", {"top_probs": [float("nan"), 0, 0, 0, 0]}, r"has top_probs outside \[0, 1\]"),
    ("cls", {"top_probs": [0.6, 0.3, 0.2, 0, 0]}, "sum to more than 1"),
    ("cls", {"top_probs": [0.2, 0.6, 0.2, 0, 0]}, "not by falling probability"),
    ("cls", {"top_ids": [4, 2, 4, -1, -1]}, "has a class twice in top_ids"),
    ("cls", {"top_ids": None}, "has an empty top_ids"),
    ("cls", {"target_prob": 1.5}, r"has a target_prob outside \[0, 1\]"),
    ("cls", {"source_id": None}, "has an empty source_id"),
]


@pytest.mark.parametrize(("task", "change", "message"), PROBLEMS)
def test_bad_row_is_named(task: str, change: dict[str, Any], message: str) -> None:
    responses = rows(task)
    responses[4] |= change
    with pytest.raises(InvalidResponsesError, match=f"^row 4 \\(source .*{message}"):
        check(task, responses)


def test_other_columns_are_refused() -> None:
    table = pa.Table.from_pylist(rows("det"), schema=RESPONSES["det"]).drop_columns(["width"])
    with pytest.raises(InvalidResponsesError, match=r"has the columns .*, expected .* width int32"):
        check_responses("det", table, {"a": None, "b": None}, NAMES)


def test_sources_of_unknown_size_are_taken_as_they_are() -> None:
    check_responses("det", pa.Table.from_pylist(rows("det"), schema=RESPONSES["det"]), {"a": None, "b": None}, NAMES)


def rewrite(part: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change a part's rows and keep its footer, as a faulty tool would."""
    folder, name = RunFolder(str(part.parent)), part.name
    footer = read_footer(folder, name)
    assert footer is not None
    table = read_part(folder, name)
    responses = table.to_pylist()
    change(responses)
    write_part(folder, name, pa.Table.from_pylist(responses, schema=table.schema), footer.lineage)


def test_bad_part_costs_only_itself_and_is_tried_again(miqd, run_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert miqd("label", "--task", "det", "--run", run_file).code == 0
    good = {table: part_bytes(out, table) for table in ("responses", "scores", "labels")}
    part = out / "responses/task=det/model=blobs/part-00001.parquet"
    stored = part.read_bytes()
    # One more row, so that the scores that are there are out of date.
    rewrite(part, lambda responses: responses.append(responses[3] | {"scores": [2.0] * len(responses[3]["scores"])}))
    result = miqd("label", "--task", "det", "--run", run_file)
    assert result.code == 2
    failed = miqd("status", "--run", run_file, "--failed")
    assert failed.code == 2
    line = next(line for line in failed.out.splitlines() if "InvalidResponsesError" in line)
    assert "score blobs: InvalidResponsesError: 'responses/task=det/model=blobs/part-00001.parquet' row " in line
    assert "source 'scene_" in line and "is there twice" in line and "Delete the part" in line
    labels = [pq.ParquetFile(out / f"labels/task=det/part-0000{i}.parquet").read().to_pylist() for i in range(2)]
    assert [{row["n_models"] for row in rows} for rows in labels] == [{2}, {1}]
    assert part_bytes(out)["labels/task=det/part-00000.parquet"] == good["labels"]["labels/task=det/part-00000.parquet"]
    assert not (out / "scores/task=det/model=blobs/part-00001.parquet").exists()
    assert miqd("label", "--task", "det", "--run", run_file).code == 2
    part.unlink()
    assert miqd("label", "--task", "det", "--run", run_file).code == 0
    assert part.read_bytes() == stored
    assert {table: part_bytes(out, table) for table in good} == good
    assert not list((out / "quarantine").glob("*"))
