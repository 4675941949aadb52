"""The worked example of docs/labels.md, computed again from its own tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from miqd_builder.labeling.aggregation import aggregate
from miqd_builder.labeling.recipes import RECIPES
from miqd_builder.labeling.scoring import score_responses
from miqd_builder.responses import Classification, Detections
from miqd_builder.sources import Annotations, SourceImage
from miqd_builder.tables.responses import Prediction, responses_table
from miqd_builder.tables.schema import VARIANTS
from tests.conftest import ROOT

TRUTH = Annotations(40, 40, np.array([[0.0, 0, 20, 20]]), np.array([1]), np.array([False]), [(0, 0, 20, 20)])
SOURCE = {"s": SourceImage("s", Path("s.png"), truth=TRUTH)}
METRICS = {"a": 50.0, "b": 25.0}


def tables() -> dict[tuple[str, ...], list[dict[str, str]]]:
    """The tables of the example, by their columns."""
    found: dict[tuple[str, ...], list[dict[str, str]]] = {}
    text = (ROOT / "docs/labels.md").read_text().split("## Example")[1].split("## Recipes")[0]
    columns: tuple[str, ...] = ()
    for line in text.splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split("|")) if line.startswith("|") else ()
        if not cells:
            columns = ()
        elif not columns:
            columns = cells
            found[columns] = []
        elif not cells[0].startswith("---"):
            found[columns].append(dict(zip(columns, cells, strict=True)))
    return found


def table(first: str, last: str) -> list[dict[str, str]]:
    return next(rows for columns, rows in tables().items() if (columns[0], columns[-1]) == (first, last))


def detections(boxes: str) -> Detections:
    rows = np.array([box.split() for box in boxes.split(";")], np.float32)
    ids = np.ones(len(rows), np.int32)
    return Detections.from_raw(height=40, width=40, boxes=rows[:, :4], scores=rows[:, 4], category_ids=ids)


def scores() -> dict[str, pa.Table]:
    predictions = {
        model: [Prediction("s", r["image"], detections(r["boxes"])) for r in table("model", "boxes") if r["model"] == model]
        for model in METRICS
    }
    return {m: score_responses("det", responses_table("det", a), SOURCE, RECIPES["miqd_v1"]) for m, a in predictions.items()}


def test_scores_of_the_example() -> None:
    stated = table("model", "accuracy")
    computed = {(m, row["degradation"]): row for m, part in scores().items() for row in part.to_pylist()}
    assert len(stated) == len(computed) == 5
    for row in stated:
        own = computed[row.pop("model"), row.pop("image")]
        assert {name: own[name] for name in row} == {name: pytest.approx(float(value)) for name, value in row.items()}


def test_labels_of_the_example() -> None:
    stated = table("image", "composite")
    variants = pa.Table.from_pylist([{"source_id": "s", "degradation": row["image"]} for row in stated], schema=VARIANTS)
    labels = aggregate("det", variants, scores(), METRICS, RECIPES["miqd_v1"]).to_pylist()
    assert len(stated) == len(labels) == 2
    for row, own in zip(stated, labels, strict=True):
        assert own["degradation"] == row.pop("image")
        assert {name: own[name] for name in row} == {name: pytest.approx(float(v), abs=5e-5) for name, v in row.items()}


def test_classifier_of_the_example() -> None:
    stated = table("degraded", "soft_v1")
    predictions = [("original", [0.7, 0.2, 0.1, 0.0])]
    predictions += [(str(i), [float(p) for p in row["degraded"].split()]) for i, row in enumerate(stated)]
    responses = responses_table(
        "cls", [Prediction("s", name, Classification(np.array(p, np.float32))) for name, p in predictions]
    )
    assert len(stated) == 4
    for recipe in ("miqd_v1", "soft_v1"):
        own = score_responses("cls", responses, SOURCE, RECIPES[recipe])["consistency"].to_pylist()[1:]
        assert own == pytest.approx([float(row[recipe]) for row in stated], abs=5e-5)
