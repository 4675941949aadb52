"""What the models of a pass are fed with: images read or rendered, and resized where models share that, made in threads."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING

from miqd_builder.errors import MiqdError
from miqd_builder.sources import SourceImage
from miqd_builder.tables.images import Named, PartImages
from pipelines.stages.degrade import FATAL
from pipelines.stages.model_part import ModelPart
from pipelines.stages.read_ahead import read_ahead_of_all
from pipelines.stages.seconds import Seconds

if TYPE_CHECKING:
    from miqd_builder.zoo.adapters.preprocess import ClassifierInput

Batch = tuple[str, list[Named] | MiqdError]
"""A source, and some of its images or why it can't be read."""

MOST_THREADS = 8
"""Of one worker, unless the run file asks for more: so many feed a GPU (docs/scale.md)."""


def feed_threads(asked: int | None, device: str, workers: int | None) -> int:
    """Return how many threads of a worker make images: what the run file says, or one on a CPU.

    There workers are the parallelism. A worker with a GPU takes its share of this machine's cores, at most eight.

    Args:
        asked: ``feed_threads`` of the run file.
        device: ``cpu`` or ``cuda``.
        workers: of this machine; None for one a GPU.
    """
    if asked is not None or device == "cpu":
        return asked or 1
    import torch

    sharing = workers or max(1, torch.cuda.device_count())
    return max(1, min(MOST_THREADS, (os.cpu_count() or 1) // sharing))


class Feed:
    """The images that some models are still to be run on, in batches.

    Args:
        images: of the part.
        sources: of the part.
        models: of the pass; a model's crops are made ahead from the moment on when it is built.
        seconds: to which the time of each step is added.
        threads: that make batches.
    """

    def __init__(
        self,
        images: PartImages,
        sources: Sequence[SourceImage],
        models: Sequence[ModelPart],
        seconds: Seconds,
        threads: int = 1,
    ) -> None:
        self._images, self._sources, self._models = images, sources, models
        self._seconds, self._threads = seconds, threads
        self._inputs: tuple[ClassifierInput, ...] = ()

    def prepare_for(self, inputs: Sequence[ClassifierInput | None]) -> None:
        """Make the crops of these models from now on, each kind once."""
        kinds = {(each.resize, each.crop, each.interpolation): each for each in inputs if each is not None}
        self._inputs = tuple(kinds.values())

    def batches(self) -> Generator[Batch]:
        """Yield the images in batches of one source; or the error of a source, after which none of it follows."""
        lost: set[str] = set()
        for source_id, batch in read_ahead_of_all(self._streams(), self._threads):
            if source_id in lost:
                continue
            if isinstance(batch, MiqdError):
                lost.add(source_id)
            yield source_id, batch

    def _streams(self) -> Iterator[Iterator[Batch]]:
        for source in self._sources:
            wanted = {name for model in self._models for name in model.wanted(source.source_id)}
            names = [name for name in self._images.names(source.source_id) if name in wanted]
            # A source is as much as one thread can do without waiting; several share it by batches.
            step = len(names) if self._threads == 1 else self._images.batch_length(source.source_id)
            yield from (self._of_source(source, names[start : start + step]) for start in range(0, len(names), max(1, step)))

    def _of_source(self, source: SourceImage, names: Sequence[str]) -> Iterator[Batch]:
        step = "decode" if self._images.stored else "render"
        batches = self._images.batches(source, names)
        try:
            while True:
                with self._seconds.timed(step):
                    batch = next(batches, None)
                if batch is None:
                    break
                self._resize(batch)
                yield source.source_id, batch
        except FATAL:
            raise
        except MiqdError as error:
            yield source.source_id, error

    def _resize(self, batch: list[Named]) -> None:
        from miqd_builder.zoo.adapters.shared_crops import SHARED_CROPS

        with self._seconds.timed("resize"):
            for _, pixels in batch:
                SHARED_CROPS.share(pixels)
                for each in self._inputs:
                    each.cropped(pixels)
