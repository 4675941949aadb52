"""Counts of labels that lack models, so that a mean over fewer models is not mistaken for one over all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc

from miqd_builder.labeling.aggregation import LabelRows
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import Footer, read_footer, read_part
from miqd_builder.tables.lineage import LabelsLineage


@dataclass
class MissingModels:
    """Labels of one task over fewer models than were asked for.

    Attributes:
        task: cls, det, ins or seg.
        rows: all labels of the task.
        short: labels that lack at least one model.
        by_model: number of labels that lack each model.
    """

    task: str
    rows: int = 0
    short: int = 0
    by_model: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        models = ", ".join(f"{model} {count}" for model, count in self.by_model.most_common())
        return f"labels task={self.task}: {self.short} of {self.rows} rows lack models: {models}"


def missing_models(folder: RunFolder) -> list[MissingModels]:
    """Return the tasks whose labels lack models, with the models that they lack.

    Only the parts with such labels are read further than ``n_models``.
    """
    found: dict[str, MissingModels] = {}
    for name in folder.list("labels/*/*.parquet"):
        footer = read_footer(folder, name)
        if footer is not None:
            task = name.split("/")[1].removeprefix("task=")
            _count(folder, name, footer, found.setdefault(task, MissingModels(task)))
    return [missing for missing in found.values() if missing.short]


def _count(folder: RunFolder, name: str, footer: Footer, missing: MissingModels) -> None:
    """Add what one part of labels lacks."""
    lineage = footer.lineage
    asked = lineage.scores if isinstance(lineage, LabelsLineage) else {}
    labels = read_part(folder, name, ["source_id", "degradation", "n_models"])
    short = labels.filter(pc.field("n_models") < len(asked))
    missing.rows += labels.num_rows
    missing.short += short.num_rows
    if not short.num_rows:
        return
    label_rows = LabelRows(short)
    for model, state in asked.items():
        present = 0
        path = f"scores/task={missing.task}/model={model}/{name.rpartition('/')[2]}"
        if state is not None and folder.exists(path):
            scores = read_part(folder, path, ["source_id", "degradation", "consistency"])
            rows, _ = label_rows.of(scores)
            present = int(np.count_nonzero(~np.isnan(scores["consistency"].to_numpy()[rows])))
        if present < short.num_rows:
            missing.by_model[model] += short.num_rows - present
