"""Classifiers of mmpretrain."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from miqd_builder.errors import ConfigError
from miqd_builder.responses import Classification, Response
from miqd_builder.zoo.adapters.base import Adapter, BatchedAdapter, BuildOptions, Prepared, RGBImage
from miqd_builder.zoo.adapters.classifier import network_input
from miqd_builder.zoo.adapters.mm_config import OpenMMLabModel, build_network
from miqd_builder.zoo.adapters.mm_pipeline import build_pipeline
from miqd_builder.zoo.adapters.preprocess import ClassifierInput, missing_fields
from miqd_builder.zoo.entry import ModelEntry, Preprocess
from miqd_builder.zoo.weights.loading import load_weights


def build(entry: ModelEntry, options: BuildOptions) -> Adapter:
    """Build the classifier of an mmpretrain config, with the config's test pipeline or the entry's preprocessing.

    Raises:
        ConfigError: the config is no classifier's, or the entry's preprocessing is incomplete.
    """
    model = build_network(entry)
    num_classes = _num_classes(entry, model)
    if not options.random_weights:
        load_weights(model.network, entry)
    if entry.preprocess is not None:
        return OverriddenClassifier(entry, options, model, num_classes, _complete(entry, entry.preprocess))
    return PipelineClassifier(entry, options, model, num_classes)


def _num_classes(entry: ModelEntry, model: OpenMMLabModel) -> int:
    head = getattr(model.network, "head", None)
    num_classes = getattr(head, "num_classes", None) or model.config.model.get("head", {}).get("num_classes")
    if num_classes is None or not hasattr(model.network, "predict"):
        raise ConfigError(
            f"Model {entry.name!r}: config {entry.config!r} is no classifier's (task cls needs a classification head)."
        )
    return int(num_classes)


def _complete(entry: ModelEntry, given: Preprocess) -> ClassifierInput:
    missing = missing_fields(given)
    if missing:
        raise ConfigError(
            f"Model {entry.name!r}: preprocess of an mmpretrain model replaces its pipeline and needs {', '.join(missing)} too."
        )
    return ClassifierInput(resize=0, crop=(0, 0)).overridden_by(given)


class _MMClassifier(BatchedAdapter):
    cpu_group: ClassVar[int] = 4
    gpu_batch: ClassVar[int] = 32
    features: ClassVar[str] = "extract_feat"

    def __init__(self, entry: ModelEntry, options: BuildOptions, model: OpenMMLabModel, num_classes: int) -> None:
        super().__init__(entry, options)
        self.model: Any = self.ready(model.network)
        self.num_classes = num_classes


class PipelineClassifier(_MMClassifier):
    """A classifier that sees images as its config's test pipeline and data preprocessor bring them."""

    def __init__(self, entry: ModelEntry, options: BuildOptions, model: OpenMMLabModel, num_classes: int) -> None:
        super().__init__(entry, options, model, num_classes)
        self._pipeline = build_pipeline(entry, model.config)

    def prepare(self, image: RGBImage) -> Prepared:
        """Run the test pipeline on the image."""
        packed = self._pipeline(image)
        return Prepared(packed["inputs"], packed["data_samples"])

    def infer(self, items: Sequence[Prepared]) -> list[Response]:
        """Return the class probabilities of each item."""
        samples = self.model.test_step(
            {"inputs": [item.inputs for item in items], "data_samples": [item.context for item in items]}
        )
        return _responses(samples)


class OverriddenClassifier(_MMClassifier):
    """A classifier that sees images as its zoo entry's ``preprocess`` says."""

    def __init__(
        self, entry: ModelEntry, options: BuildOptions, model: OpenMMLabModel, num_classes: int, preprocess: ClassifierInput
    ) -> None:
        super().__init__(entry, options, model, num_classes)
        self.preprocess: ClassifierInput = preprocess

    def input_size(self, image: RGBImage) -> Hashable:
        """Images of all sizes become one size: they share a pass."""
        return self.preprocess.crop

    def prepare(self, image: RGBImage) -> Prepared:
        """Resize and crop the image; it is normalised with its pass, on the device."""
        return Prepared(torch.from_numpy(self.preprocess.cropped(image)))

    def infer(self, items: Sequence[Prepared]) -> list[Response]:
        """Return the class probabilities of each item."""
        return _responses(self.model.predict(network_input(self.preprocess, items, self.device)))


def _responses(samples: Sequence[Any]) -> list[Response]:
    return [Classification(sample.pred_score.cpu().numpy().astype(np.float32)) for sample in samples]
