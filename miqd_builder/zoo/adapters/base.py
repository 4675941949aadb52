"""The contract of every model: images in, common responses out, whatever the framework behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from miqd_builder.responses import Response
from miqd_builder.zoo.adapters.engine import Engine, use_onnxruntime
from miqd_builder.zoo.adapters.precision import Precision, use_bfloat16
from miqd_builder.zoo.adapters.stopwatch import Stopwatch
from miqd_builder.zoo.entry import ModelEntry

if TYPE_CHECKING:
    from miqd_builder.zoo.adapters.preprocess import ClassifierInput

RGBImage = NDArray[np.uint8]


class Adapter(ABC):
    """A built model, ready for inference.

    Attributes:
        entry: the zoo entry that it was built from.
        num_classes: number of classes that it tells apart.
        preprocess: how it resizes and crops images, where that can be shared with other models; else None.
    """

    entry: ModelEntry
    num_classes: int
    preprocess: ClassifierInput | None = None

    @abstractmethod
    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """Return the prediction for each image, in order: deterministic and independent of the other images.

        Args:
            images: uint8 ``(height, width, 3)`` RGB, of any sizes.
        """

    def spent(self) -> dict[str, float]:
        """Return the seconds of each step of :meth:`predict` since the last call; empty where they aren't measured."""
        return {}


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What every adapter is built with besides its zoo entry.

    Attributes:
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        batch_size: images prepared together; None is the back end's own choice.
        category_ids: ids of the annotations' categories, ascending; None is COCO's for 80 classes, else 1, 2, ...
        random_weights: keep reproducible random weights instead of loading the checkpoint (for checks of the build).
        precision: of the network; back ends that know float32 only never see another one.
        engine: what runs the network; back ends that know torch only never see another one.
    """

    device: str = "cpu"
    batch_size: int | None = None
    category_ids: Sequence[int] | None = None
    random_weights: bool = False
    precision: Precision = "float32"
    engine: Engine = "torch"


@dataclass(frozen=True, slots=True)
class Prepared:
    """One image as the network takes it: its tensor, and what is needed to map the prediction back to the image."""

    inputs: Tensor
    context: Any = None


class BatchedAdapter(Adapter):
    """An adapter that prepares images one by one and runs the network on groups of a fixed size.

    Kernels of PyTorch choose their blocking by the batch size, so the last bits of a prediction depend on how many images share
    a pass through the network, but not on which ones. Every pass therefore holds the same number of images, the last of a list
    repeated to fill it: predictions are equal to the bit for any split of the images over calls. On the CPU that number is
    ``cpu_group`` whatever the batch size, which then is only the number of images prepared at a time; on a GPU it is the batch
    size, halved for images of a size for which the memory runs out.

    Attributes:
        features: the network's method that may run in bfloat16 (:func:`~miqd_builder.zoo.adapters.precision.use_bfloat16`) or
            in ONNX Runtime (:func:`~miqd_builder.zoo.adapters.engine.use_onnxruntime`).
    """

    cpu_group: ClassVar[int] = 1
    gpu_batch: ClassVar[int] = 8
    features: ClassVar[str] = "forward"

    def __init__(self, entry: ModelEntry, options: BuildOptions) -> None:
        self.entry = entry
        self.device = torch.device(options.device)
        self._stopwatch: Stopwatch | None = None
        if self.device.type == "cpu":
            self._group = self.cpu_group
            wanted = options.batch_size or 4 * self._group
            self.batch_size = -(-wanted // self._group) * self._group
        else:
            self.batch_size = self._group = options.batch_size or self.gpu_batch
        self._group_of: dict[Hashable, int] = {}
        self._precision, self._engine = options.precision, options.engine

    def ready(self, network: nn.Module) -> Any:
        """Return the network in evaluation mode, on the device, in the precision and in the engine that were asked for."""
        network = network.eval().to(self.device)
        if self._engine == "onnxruntime":
            use_onnxruntime(network, self.features, self.entry.name)
        if self._precision == "bfloat16":
            use_bfloat16(network, self.features, self.device)
        return network

    @abstractmethod
    def prepare(self, image: RGBImage) -> Prepared:
        """Return the image as the network takes it, on the CPU."""

    @abstractmethod
    def infer(self, items: Sequence[Prepared]) -> list[Response]:
        """Run the network once over items of one input size and return their responses."""

    def input_size(self, image: RGBImage) -> Hashable:
        """Return what images must share to be in one pass through the network; by default their size."""
        return image.shape

    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """Return the prediction for each image, in order (see :meth:`Adapter.predict`).

        Raises:
            ValueError: an image is not uint8 ``(height, width, 3)``.
        """
        same_size: dict[Hashable, list[int]] = defaultdict(list)
        for index, image in enumerate(images):
            _check_image(image)
            same_size[self.input_size(image)].append(index)
        responses: dict[int, Response] = {}
        watch = self._watch()
        with _reproducible():
            for size, indices in same_size.items():
                for start in range(0, len(indices), self.batch_size):
                    batch = indices[start : start + self.batch_size]
                    with watch.preparing():
                        items = [self.prepare(images[index]) for index in batch]
                    predictions = self._run(items, size)
                    responses.update(zip(batch, predictions, strict=True))
        return [responses[index] for index in range(len(images))]

    def spent(self) -> dict[str, float]:
        """Return seconds of preprocess, forward and postprocess (see :class:`Stopwatch`)."""
        seconds = dict(self._watch().seconds)
        self._watch().seconds.clear()
        return seconds

    def _watch(self) -> Stopwatch:
        """The stopwatch, at work from the first image on, when the network is there."""
        if self._stopwatch is None:
            self._stopwatch = Stopwatch(self.device)
            if isinstance(network := getattr(self, "model", None), nn.Module):
                self._stopwatch.watch(network)
        return self._stopwatch

    def _run(self, items: list[Prepared], size: Hashable) -> list[Response]:
        predictions: list[Response] = []
        while len(predictions) < len(items):
            fits = self._group_of.get(size, self._group)
            group = items[len(predictions) : len(predictions) + fits]
            filled = group + [group[-1]] * (fits - len(group))
            try:
                with self._watch().inferring():
                    predictions += self.infer(filled)[: len(group)]
            except torch.cuda.OutOfMemoryError:
                if fits == 1:
                    raise
                self._group_of[size] = fits // 2
                torch.cuda.empty_cache()
        return predictions


def _check_image(image: RGBImage) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"expected a uint8 image of shape (height, width, 3), got {image.dtype} {image.shape}")


@contextmanager
def _reproducible() -> Iterator[None]:
    """No gradients, full float32 precision, and kernels that are the same from run to run."""
    with (
        torch.inference_mode(),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
    ):
        yield
