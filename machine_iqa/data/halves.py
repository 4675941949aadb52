"""Labels recomputed from the scores of some of a zoo's models: do predictions hold for models that nobody asked?"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa

from machine_iqa.networks.base import Label
from miqd_builder.benchmarking.model_scores import score_matrices, voters
from miqd_builder.correlation.ceiling import half_label
from miqd_builder.correlation.pairs import Floats
from miqd_builder.errors import ConfigError
from miqd_builder.store.folder import RunFolder

HALVES = ("a", "b")


def zoo_half(models: Iterable[str], half: str) -> list[str]:
    """Return half of some models: every other one in the order of the SHA-256 of their names.

    >>> zoo_half(["resnet", "vgg", "vit"], "a"), zoo_half(["resnet", "vgg", "vit"], "b")
    (['vgg', 'vit'], ['resnet'])
    """
    ordered = sorted(set(models), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return sorted(ordered[HALVES.index(half) :: 2])


def labels_of_models(folder: RunFolder, task: str, rows: pa.Table, models: Collection[str]) -> dict[Label, Floats]:
    """Return the labels that a run would have if only some of its models had been asked.

    Args:
        folder: the run folder.
        task: cls, det, ins or seg.
        rows: a row a label, with ``source_id`` and ``degradation``.
        models: names; those that the run's labels aren't made of are passed over.

    Returns:
        float64 ``(rows,)`` for each label; NaN where none of the models has a score.

    Raises:
        ConfigError: none of the models has scores in this run.
    """
    found = voters(folder, task)
    names = [name for name in found.models if name in models]
    if not names:
        raise ConfigError(
            f"'{folder.url}' has no scores of {', '.join(sorted(models)) or 'any model'} for task {task}: labels of half "
            "of the models need scores, which imported labels lack."
        )
    scores = score_matrices(folder, task, names, rows, ["consistency", "accuracy"])
    weights = np.array([found.weights[name] for name in names], np.float64)
    consistency, accuracy = (half_label(scores[kind], weights, np.arange(len(names))) for kind in ("consistency", "accuracy"))
    share = found.consistency_share
    return {
        "consistency": consistency,
        "accuracy": accuracy,
        "composite": np.asarray(share * consistency + (1 - share) * accuracy, np.float64),
    }
