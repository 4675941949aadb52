"""Quality models as measures of a run: a measure for each task and label that a model predicts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from machine_iqa.labels import LABELS
from machine_iqa.model import MIQAModel
from machine_iqa.opening import shipped_file
from machine_iqa.weights import read_record
from miqd_builder.errors import ConfigError, StaleCodeError
from miqd_builder.measures.measure import Core, Images, Measure, Values


@dataclass(frozen=True)
class Learned:
    """A quality model whose scores are measures.

    Attributes:
        name: as in the names of its measures.
        measures: by what they predict, a task and a label.
        training: from its record, see :func:`machine_iqa.training.files.record_of`; empty for a published model.
    """

    name: str
    measures: dict[tuple[str, str], Measure]
    training: dict[str, Any]


def learned(model: str) -> Learned:
    """Return the measures of a quality model.

    One that predicts a single label has one measure, of the model's name; others have ``<model>_<task>_<label>`` each. The
    composite is the mean of consistency and accuracy where the model predicts these two alone.

    Args:
        model: a file that ``miqd train`` wrote, or a model's name.

    Raises:
        ConfigError: the model is unknown or has no weights, or the file is damaged.
    """
    opened = MIQAModel(model, device="cpu")
    by_label = opened.by_label(np.zeros(len(opened.network.outputs), np.float32))
    outputs: list[tuple[str, str]] = [(t, label) for t, labels in by_label.items() for label in LABELS if label in labels]
    name = _name(model)
    measures = {
        (task, label): Measure(
            name=name if len(outputs) == 1 else f"{name}_{task}_{label}",
            reference="none",
            lower_better=False,
            score_range=(0.0, 1.0),
            minimum_size=1,
            input="RGB, as the network's views",
            source=opened.trained_on,
            licence=opened.licence,
            agrees_with="machine_iqa.MIQAModel",
            tolerance=1e-5,
            build=partial(_build, model, opened.sha256, task, label),
            content=f"{opened.sha256} {task} {label}",
        )
        for task, label in outputs
    }
    file = Path(model) if Path(model).is_file() else shipped_file(model)
    record = read_record(file) if file.is_file() else None
    return Learned(name, measures, dict(record.training) if record is not None else {})


def all_learned(models: list[str]) -> list[Learned]:
    """Return several models.

    Raises:
        ConfigError: two have one name, or one is wrong.
    """
    found = [learned(model) for model in models]
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"Two models are called '{name}': rename a training's folder or file.")
    return found


def _name(model: str) -> str:
    """A training's name for its best weights, else the file's or the model's."""
    path = Path(model)
    if path.suffix != ".safetensors":
        return model.replace("-", "_")
    path = path.resolve()
    return path.parent.parent.name if path.parent.name == "checkpoints" else path.stem


class _Scores:
    """Scores of the last batch for all outputs: measures of one model ask for them one after the other."""

    def __init__(self, model: str, sha256: str, device: str) -> None:
        self._model = MIQAModel(model, device=device)
        if self._model.sha256 != sha256:
            raise StaleCodeError(f"The weights of model '{model}' here are not those that the run was planned with.")
        self._digest, self._rows = b"", list[dict[str, dict[str, float]]]()

    def of(self, images: Images) -> list[dict[str, dict[str, float]]]:
        digest = hashlib.blake2b(np.ascontiguousarray(images).data, digest_size=16).digest() + str(images.shape).encode()
        if digest != self._digest:
            self._rows = [self._model.by_label(row) for row in self._model.scores(list(images))]
            self._digest = digest
        return self._rows


_shared = lru_cache(maxsize=4)(_Scores)


def _build(model: str, sha256: str, task: str, label: str, device: str, files: Mapping[str, Path]) -> Core:
    scores = _shared(model, sha256, device)

    def core(degraded: Images, reference: Images) -> Values:
        return np.array([row[task][label] for row in scores.of(degraded)], np.float64)

    return core
