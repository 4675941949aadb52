"""Models that are an ONNX file: classifiers by their logits, detectors and segmenters by named outputs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError
from miqd_builder.responses import Response
from miqd_builder.zoo.adapters.base import Adapter, BatchedAdapter, BuildOptions, Prepared, RGBImage
from miqd_builder.zoo.adapters.classifier import classifications, network_input
from miqd_builder.zoo.adapters.onnx_detector import OnnxDetector
from miqd_builder.zoo.adapters.onnx_network import OnnxNetwork
from miqd_builder.zoo.adapters.preprocess import ClassifierInput, missing_fields
from miqd_builder.zoo.entry import ModelEntry, Preprocess

GROUP = 4
"""Images in one pass of a classifier whose file takes any number."""


def build(entry: ModelEntry, options: BuildOptions) -> Adapter:
    """Open the entry's ONNX file; it is checked before anything runs it, and runs in ONNX Runtime with one thread.

    Raises:
        ConfigError: there is no such file, it doesn't have the outputs that the entry names, or the entry lacks what is needed
            to make its input.
    """
    if options.random_weights:
        raise ConfigError(f"Model {entry.name!r}: an ONNX file has no random weights; its checkpoint is needed.")
    return OnnxClassifier(entry, options) if entry.task == "cls" else OnnxDetector(entry, options)


class OnnxClassifier(BatchedAdapter):
    """A network from normalised pixels to logits, and a softmax."""

    def __init__(self, entry: ModelEntry, options: BuildOptions) -> None:
        super().__init__(entry, options)
        assert entry.onnx is not None and entry.onnx.logits is not None  # the entry was validated
        self._logits, self._bgr = entry.onnx.logits, entry.onnx.channels == "bgr"
        self.preprocess: ClassifierInput = _complete(entry)
        self._network = OnnxNetwork(entry, [self._logits], options.device)
        self._network.check_size(*self.preprocess.crop)
        self._group = self._network.images or (GROUP if self.device.type == "cpu" else self._group)
        self.batch_size = max(1, self.batch_size // self._group) * self._group
        self.num_classes = self._count_classes()

    def input_size(self, image: RGBImage) -> Hashable:
        """Images of all sizes become one size: they share a pass."""
        return self.preprocess.crop

    def prepare(self, image: RGBImage) -> Prepared:
        """Resize and crop the image; it is normalised with its pass."""
        return Prepared(torch.from_numpy(self.preprocess.cropped(image)))

    def infer(self, items: Sequence[Prepared]) -> list[Response]:
        """Return the class probabilities of each item."""
        inputs = network_input(self.preprocess, items, torch.device("cpu"))  # ONNX Runtime takes it from there, to a GPU too
        inputs = inputs.flip(1) if self._bgr else inputs
        return classifications(torch.from_numpy(self._logits_of(inputs.numpy())))

    def _logits_of(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = self._network.run(batch)[self._logits]
        logits = logits.reshape(len(logits), -1) if logits.ndim > 2 and logits.size == len(logits) * logits.shape[1] else logits
        if logits.ndim != 2 or len(logits) != len(batch) or not np.isfinite(logits).all():
            raise ConfigError(
                f"Model {self.entry.name!r}: output {self._logits!r} is {logits.dtype} {logits.shape} for {len(batch)} images; "
                "expected finite logits (images, classes)."
            )
        return logits.astype(np.float32, copy=False)

    def _count_classes(self) -> int:
        height, width = self.preprocess.crop
        return self._logits_of(np.zeros((self._group, 3, height, width), np.float32)).shape[1]


def _complete(entry: ModelEntry) -> ClassifierInput:
    missing = missing_fields(entry.preprocess or Preprocess())
    if missing:
        raise ConfigError(
            f"Model {entry.name!r}: an ONNX file doesn't say how images become its input: preprocess needs "
            f"{', '.join(missing)}."
        )
    return ClassifierInput(resize=0, crop=(0, 0)).overridden_by(entry.preprocess)
