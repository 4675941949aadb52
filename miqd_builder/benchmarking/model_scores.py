"""Scores of every model of a run as matrices beside the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.labeling.aggregation import LabelRows
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer
from miqd_builder.tables.lineage import LabelsLineage
from miqd_builder.tables.queries import read_parts

_KEY = ["source_id", "degradation"]


@dataclass(frozen=True)
class Voters:
    """The models that the labels of a task are made of.

    Attributes:
        weights: weight of each model, by name; empty for imported labels, which come without scores.
        consistency_share: share of consistency in the composite.
    """

    weights: dict[str, float]
    consistency_share: float = 0.5

    @property
    def models(self) -> list[str]:
        """Names, sorted."""
        return sorted(self.weights)


def voters(folder: RunFolder, task: str) -> Voters:
    """Return the models with scores among those that the labels were made of, as the labels' footers say."""
    weights: dict[str, float] = {}
    share = 0.5
    for name in folder.list(f"labels/task={task}/*.parquet"):
        footer = read_footer(folder, name)
        if footer is not None and isinstance(footer.lineage, LabelsLineage):
            weights |= footer.lineage.weights
            share = float(footer.extra.get("recipe", {}).get("composite_consistency", share))
    scored = {name.split("/")[2].removeprefix("model=") for name in folder.list(f"scores/task={task}/*/*.parquet")}
    return Voters({model: weight for model, weight in weights.items() if model in scored}, share)


def score_matrices(
    folder: RunFolder, task: str, models: Sequence[str], rows: pa.Table, columns: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """Return columns of the scores by label row.

    Args:
        folder: the run folder.
        task: cls, det, ins or seg.
        models: their names.
        rows: a row a label, with ``source_id`` and ``degradation``.
        columns: columns of ``scores``.

    Returns:
        float32 ``(rows, models)`` by column; NaN where a model has no score, or no consistency: it has no vote there.

    Raises:
        StoreError: a part is damaged.
    """
    place = LabelRows(rows)
    # Model by model in memory: each is filled and read as a whole.
    matrices = {column: np.full((len(models), rows.num_rows), np.nan, np.float32) for column in columns}
    wanted = list(dict.fromkeys([*_KEY, "consistency", *columns]))
    for index, model in enumerate(models):
        for part in read_parts(folder, folder.list(f"scores/task={task}/model={model}/*.parquet"), wanted):
            found, places = place.of(part)
            votes = ~np.isnan(part["consistency"].to_numpy()[found])
            for column, matrix in matrices.items():
                matrix[index, places[votes]] = part[column].to_numpy()[found[votes]]
    return {column: matrix.T for column, matrix in matrices.items()}
