"""Run folders of made-up labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import degradations
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import write_part
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.lineage import ImportedLabelsLineage
from miqd_builder.tables.schema import LABELS, image_path, table_path


def write_labels(
    out: Path, task: str, sources: int, names: Sequence[str], *, seed: int = 0, **columns: Any
) -> list[dict[str, Any]]:
    """Write a run folder with random labels, a row a source and degradation, and return them.

    Args:
        out: the run folder.
        task: cls, det or ins.
        sources: number of sources.
        names: degradations.
        seed: of the numbers.
        columns: values in place of the random ones: one for all rows, or one a row.
    """
    rng = np.random.default_rng(seed)
    # Variants of one source are alike, as in a real run.
    base = np.repeat(rng.random(sources), len(names))
    consistency, accuracy = np.clip(base + 0.3 * rng.normal(size=(2, len(base))), 0, 1)
    values = {
        "consistency_weighted": consistency,
        "accuracy_weighted": accuracy,
        "composite": 0.5 * consistency + 0.5 * accuracy,
        "psnr": np.round(20 + 20 * consistency + rng.normal(size=len(base))),
    }
    fixed = {"n_models": {"cls": 40, "det": 20, "ins": 15}[task], "recipe": "miqd_v1"}
    kinds = [{**dict.fromkeys(LABELS[task].names), **_identity(name), **fixed} for name in names]
    rows = [{**kind, "source_id": f"{source:012d}"} for source in range(sources) for kind in kinds]
    for index, row in enumerate(rows):
        row |= {name: float(column[index]) for name, column in values.items()}
        row["file_name"] = image_path(row["source_id"], row["degradation"])
    for name, value in columns.items():
        for index, row in enumerate(rows):
            row[name] = value[index] if isinstance(value, list) else value
    folder = RunFolder(str(out))
    RunRecord(0, "none", "saliency", list(names), [sorted({row["source_id"] for row in rows})]).write(folder)
    lineage = ImportedLabelsLineage(format="made up", task=task, files={})
    write_part(folder, table_path("labels", 0, task=task), pa.Table.from_pylist(rows, schema=LABELS[task]), lineage)
    return rows


def _identity(name: str) -> dict[str, Any]:
    d = degradations.parse(name)
    return {
        "degradation": name,
        "distortion": d.distortion,
        "category": d.category,
        "region": d.region,
        "roi_severity": d.roi_severity,
        "bg_severity": d.bg_severity,
    }
