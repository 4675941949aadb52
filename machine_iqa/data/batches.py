"""Batches of views, labels and masks, read or rendered in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from degradations import MIQD_DISTORTIONS, SEVERITIES, parse
from degradations.randomness import keyed_generator
from machine_iqa.data.labelled import LabelledSource
from machine_iqa.data.order import BatchOrder, Item, Shape
from machine_iqa.networks.base import Views
from miqd_builder.errors import MiqdError, StaleCodeError, StoreError


class MakesViews(Protocol):
    """What a batch needs of a network: its method ``views``."""

    def __call__(self, image: NDArray[np.uint8], rng: np.random.Generator | None = None) -> Views:
        """See :meth:`machine_iqa.networks.base.QualityNetwork.views`."""


@dataclass
class Batch:
    """Images of one shape of views.

    Attributes:
        views: ``(N, 3, height, width)`` by name.
        targets: float32 ``(N, outputs)``, NaN where a label is missing.
        rows: int64 ``(N,)``: number of each image among all of the set.
        sources: int64 ``(N,)``: place of each image's source in the set.
        damage: float32 ``(N, 3)``: place of the distortion among those of the database, severity in the ROI and in the
            background as shares of the largest; NaN for other distortions.
        masks: float32 ``(N, 1, height, width)``, the ROI (1) in the first view; NaN for an image without; None if not wanted.
        lost: images that couldn't be read, and why.
    """

    views: Views
    targets: Tensor
    rows: Tensor
    sources: Tensor
    damage: Tensor
    masks: Tensor | None = None
    lost: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)


class Batches(Dataset[Batch]):
    """Labelled images by batch: the key of an element is a list of items, see :class:`.order.BatchOrder`.

    Args:
        sources: the labelled sources.
        views: of the network.
        seed: of random views; None for the fixed ones of evaluation.
        masks: whether batches have masks.
    """

    def __init__(
        self, sources: Sequence[LabelledSource], views: MakesViews, *, seed: int | None = None, masks: bool = False
    ) -> None:
        self._sources, self._views, self._seed, self._masks = sources, views, seed, masks
        self._first = np.cumsum([0, *(len(source.names) for source in sources)])
        blank = np.zeros((8, 8, 3), np.uint8)
        self._ends = [float(next(iter(views(image).values())).max()) for image in (blank, blank + 255)] if masks else []

    def __getitem__(self, key: tuple[int, Sequence[Item]]) -> Batch:
        """Return a batch.

        Args:
            key: the epoch, which decides random views, and the items, those of one source together.
        """
        epoch, items = key
        views: list[Views] = []
        masks: list[Tensor] = []
        kept: list[Item] = []
        lost: list[str] = []
        for place, group in groupby(items, key=lambda item: item[0]):
            source, names = self._sources[place], [name for _, name in group]
            mask = self._mask(source, lost) if self._masks else None
            for name, pixels in self._images(source, names, lost):
                views.append(self._views(pixels, self._rng(source, name, epoch)))
                masks.append(self._mask_view(mask, pixels, self._rng(source, name, epoch), views[-1]))
                kept.append((place, name))
        rows = torch.tensor([int(self._first[place]) + name for place, name in kept], dtype=torch.int64)
        width = self._sources[0].targets.shape[1]
        targets = [torch.from_numpy(self._sources[place].targets[name]) for place, name in kept]
        return Batch(
            {name: torch.stack([one[name] for one in views]) for name in (views[0] if views else ())},
            torch.stack(targets) if targets else torch.empty(0, width),
            rows,
            torch.tensor([place for place, _ in kept], dtype=torch.int64),
            torch.tensor([damage_of(self._sources[place].names[name]) for place, name in kept]).reshape(-1, 3),
            torch.stack(masks) if self._masks and masks else None,
            lost,
        )

    def _rng(self, source: LabelledSource, name: int, epoch: int) -> np.random.Generator | None:
        if self._seed is None:
            return None
        return keyed_generator(self._seed, source.source_id, f"view {source.names[name]}", epoch)

    def _images(self, source: LabelledSource, names: Sequence[int], lost: list[str]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Images of one source; if one of them can't be read, each is tried alone, so that it costs itself."""
        place = {source.names[name]: name for name in names}
        done: set[str] = set()
        try:
            for name, pixels in source.pixels.images(source.source_id, list(place)):
                yield place[name], pixels
                done.add(name)
        except FATAL:
            raise
        except MiqdError:
            for name in [one for one in place if one not in done]:
                try:
                    [(_, pixels)] = source.pixels.images(source.source_id, [name])
                except FATAL:
                    raise
                except MiqdError as error:
                    lost.append(f"{source.source_id} {name}: {error}")
                else:
                    yield place[name], pixels

    def _mask(self, source: LabelledSource, lost: list[str]) -> NDArray[np.uint8] | None:
        try:
            return source.pixels.mask(source.source_id)
        except FATAL:
            raise
        except MiqdError as error:
            lost.append(f"{source.source_id} ROI mask: {error}")
            return None

    def _mask_view(
        self, mask: NDArray[np.uint8] | None, pixels: NDArray[np.uint8], rng: np.random.Generator | None, views: Views
    ) -> Tensor:
        """The mask as the network's first view shows it: resized, cropped and turned by the same draws."""
        if not self._masks:
            return torch.empty(0)
        if mask is None or mask.shape != pixels.shape[:2]:
            return torch.full_like(next(iter(views.values()))[:1], float("nan"))
        seen = next(iter(self._views(np.repeat(mask[:, :, None], 3, axis=2), rng).values()))[:1]
        black, white = self._ends
        return ((seen - black) / (white - black)).clamp(0, 1)


FATAL = (StoreError, StaleCodeError)
"""What would happen to every image."""


class BatchLoader(DataLoader[Batch]):
    """Loads the batches of an order, and says where it is, so that a run goes on in the middle of an epoch.

    Args:
        batches: the labelled images.
        order: which batches there are.
        workers: processes that read and render; 0 for this process.
    """

    def __init__(self, batches: Batches, order: BatchOrder, *, workers: int = 0) -> None:
        super().__init__(
            batches,
            batch_size=None,
            sampler=_Keys(order),
            num_workers=workers,
            collate_fn=_as_it_is,
            worker_init_fn=one_thread,
            persistent_workers=workers > 0,
        )
        self.order = order
        self.delivered = 0

    def __iter__(self) -> Any:
        """Yield the rest of the epoch."""
        self.delivered = self.order.start
        for batch in super().__iter__():
            self.delivered += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the epoch and the number of batches delivered."""
        return {"epoch": self.order.epoch, "batches": self.delivered}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where another loader was."""
        self.order.set_epoch(state["epoch"])
        self.order.start = self.delivered = state["batches"]


class _Keys:
    """The batches of an order with the epoch that they are of, which worker processes don't learn otherwise."""

    def __init__(self, order: BatchOrder) -> None:
        self.order = order

    def set_epoch(self, epoch: int) -> None:
        self.order.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[tuple[int, list[Item]]]:
        epoch = self.order.epoch
        return ((epoch, batch) for batch in self.order)


def shapes_of(sources: Sequence[LabelledSource], views: MakesViews, *, training: bool) -> list[Shape]:
    """Return the shapes of the views of each source's images, from a blank image of each size that occurs.

    Args:
        sources: the labelled sources.
        views: of the network.
        training: of random views.
    """
    known: dict[tuple[int, int], Shape] = {}
    for source in sources:
        if source.size not in known:
            found = views(np.zeros((*source.size, 3), np.uint8), np.random.default_rng(0) if training else None)
            known[source.size] = tuple((name, tuple(view.shape)) for name, view in found.items())
    return [known[source.size] for source in sources]


@cache
def damage_of(name: str) -> tuple[float, float, float]:
    """Return what a degradation does to an image as numbers, see :attr:`Batch.damage`.

    >>> damage_of("jpeg_compression_fg_stronger_fg5_bg1")
    (2.0, 1.0, 0.2)
    """
    found = parse(name)
    if found.distortion not in MIQD_DISTORTIONS:
        return (float("nan"),) * 3
    place = float(MIQD_DISTORTIONS.index(found.distortion))
    return place, found.roi_severity / max(SEVERITIES), found.bg_severity / max(SEVERITIES)


def one_thread(worker: int) -> None:
    """Keep a worker process to one core: workers are the parallelism."""
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _as_it_is(batch: Any) -> Any:
    return batch
