"""Weights of the models in the labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc

from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError
from miqd_builder.labeling.aggregation import check_weights
from miqd_builder.store.parts import read_part
from miqd_builder.tables.schema import ORIGINAL, table_path
from miqd_builder.zoo.entry import ModelEntry
from pipelines.context import Context


def stated_weights(config: RunConfig, entries: Sequence[ModelEntry]) -> dict[str, float]:
    """Return the weights that are known before any inference; none with ``measured``.

    ``metric``: the clean benchmark figure of the zoo entry; ``uniform``: 1.

    Raises:
        ConfigError: an entry has no metric, or one of 0.
    """
    if config.weights == "measured":
        return {}
    if config.weights == "uniform":
        return {entry.name: 1.0 for entry in entries}
    missing = [entry.name for entry in entries if entry.metric is None]
    if missing:
        raise ConfigError(f"Model '{missing[0]}' has no metric in its zoo entry: add one, or use weights: measured or uniform.")
    weights = {entry.name: entry.metric.value for entry in entries if entry.metric is not None}
    check_weights(weights)
    return weights


def model_weights(context: Context, task: str, parts: Sequence[int], entries: Sequence[ModelEntry]) -> dict[str, float]:
    """Return the weight of each model, by the run file's ``weights``.

    ``measured`` is the mean accuracy on this run's originals, by the run's recipe. A model without a prediction on any of them
    has no weight and needs none, since it has no consistency either.

    Raises:
        ConfigError: an entry has no metric, no original has ground truth, or a model gets none of them right.
    """
    weights = stated_weights(context.config, entries)
    if context.config.weights == "measured":
        for entry in entries:
            accuracy = _clean_accuracy(context, task, parts, entry.name)
            if accuracy is not None:
                weights[entry.name] = accuracy
        check_weights(weights)
    return weights


def _clean_accuracy(context: Context, task: str, parts: Sequence[int], model: str) -> float | None:
    tables = [table_path("scores", part, task=task, model=model) for part in parts]
    originals = [
        read_part(context.folder, name, ["degradation", "accuracy"]).filter(pc.field("degradation") == ORIGINAL)
        for name in tables
        if context.folder.exists(name)
    ]
    values = np.concatenate([np.empty(0), *(rows["accuracy"].to_numpy() for rows in originals)])
    if not values.size:
        return None
    known = values[~np.isnan(values)]
    if not known.size:
        raise ConfigError(
            f"weights: measured needs originals with ground truth, model '{model}' has none: use metric or uniform."
        )
    return float(known.mean())
