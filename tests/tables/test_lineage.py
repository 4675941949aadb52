"""What a part was made from, to JSON and back, and the hash of it."""

from __future__ import annotations

import json
import math

import pytest

from miqd_builder.tables.lineage import (
    ImportedLabelsLineage,
    LabelsLineage,
    Lineage,
    MeasuresLineage,
    PartState,
    ResponsesLineage,
    ScoresLineage,
    VariantsLineage,
    changed_fields,
    compact_json,
    content_hash,
    from_json,
    to_json,
)

RENDERED = {"sources": {"cat": "a0", "dog": "b1"}, "distortions": {"fog": "c2"}, "degradations": "d3"}
VARIANTS = VariantsLineage(images="png", **RENDERED)
LINEAGES: list[Lineage] = [
    VARIANTS,
    VariantsLineage(images="none", full_reference=("ms_ssim", "ssim"), **RENDERED),
    ResponsesLineage(task="det", model="e4", **RENDERED),
    ScoresLineage(responses=PartState("f5", 502), truth={"cat": "06"}, recipe="17"),
    ScoresLineage(responses=None, truth={}, recipe="17"),
    LabelsLineage(
        variants=PartState("28", 500), scores={"m": PartState("39", 502), "n": None}, weights={"m": 0.5}, recipe="17"
    ),
    VARIANTS.candidates,
    ImportedLabelsLineage(format="miqd", task="cls", files={"a.csv": "4a"}),
    MeasuresLineage(name="ssim", measure="5b", **RENDERED),
]

HASHES = [
    "069f5a5512d8d693eb9144d8964b5ee9",
    "04f590e5a57cb844811c954c3cc95284",
    "c7bf101f6a71765b42a15401dd463fa5",
    "d2a4d8c8d0e527e01f0a80804b52f59c",
    "8239869bd0ed68c3e0706f40ee362fd5",
    "1e57487c6386f1da489fe77cd901bb4a",
]


@pytest.mark.parametrize("lineage", LINEAGES, ids=lambda lineage: type(lineage).__name__)
def test_json_and_back(lineage: Lineage) -> None:
    text = compact_json(to_json(lineage))
    again = from_json(json.loads(text))
    assert again == lineage and content_hash(again) == content_hash(lineage)


def test_hashes_of_the_first_version() -> None:
    """As written by the code before there were lineages: parts of old runs stay valid."""
    assert [content_hash(lineage) for lineage in LINEAGES[:6]] == HASHES


@pytest.mark.parametrize(
    "content",
    [{}, {"made": "up"}, {"table": "frogs"}, {"table": "scores", "truth": {}}, {**to_json(LINEAGES[2]), "task": "frog"}],
    ids=["empty", "no table", "unknown table", "lacks a field", "unknown task"],
)
def test_other_objects_are_refused(content: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no lineage of a part"):
        from_json(content)


def test_footers_hold_valid_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        compact_json({"psnr": math.inf})


def test_changed_fields_are_named() -> None:
    other = VariantsLineage(images="none", **{**RENDERED, "sources": {}})
    assert changed_fields(VARIANTS, VARIANTS) == []
    assert changed_fields(VARIANTS, other) == ["images", "sources"]
