"""The batches of an epoch, as a pure function of seed, epoch, rank and number of processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby

import numpy as np
from torch.utils.data import Sampler

import degradations
from degradations.randomness import keyed_generator
from machine_iqa.data.labelled import LabelledSource

Item = tuple[int, int]
"""Place of a source, and of one of its degradations."""
Shape = tuple[tuple[str, tuple[int, ...]], ...]
"""Shapes of the views of an image, by name; images of one batch have the same."""


class BatchOrder(Sampler[list[Item]]):
    """Batches of images whose views have one shape; a few images of a source are together, since they are rendered together.

    In training an epoch draws degradations of each source anew, and mixes the sources; in evaluation the order is fixed. A
    batch is divided among the processes, so that ``batch_size`` images make a step, however many there are.

    Args:
        sources: the labelled sources.
        shapes: of the views of each source's images.
        batch_size: images of a step, over all processes.
        seed: of all draws.
        training: draw and mix.
        degradations_per_source: images of a source in an epoch; all of them if None.
        images_per_source: images of a source that are together in a batch, at most.
        rank: of this process.
        world: number of processes.
        multiple_of: leave out the last batches of an epoch beyond a multiple of this, unless there are fewer.
    """

    def __init__(
        self,
        sources: Sequence[LabelledSource],
        shapes: Sequence[Shape],
        *,
        batch_size: int,
        seed: int = 0,
        training: bool = False,
        degradations_per_source: int | None = None,
        images_per_source: int = 8,
        rank: int = 0,
        world: int = 1,
        multiple_of: int = 1,
    ) -> None:
        self._sources, self._shapes = sources, shapes
        self._batch_size, self._seed, self._training = batch_size, seed, training
        self._limit, self._together = degradations_per_source, images_per_source
        self._rank, self._world, self._multiple = rank, world, multiple_of
        self.epoch, self.start = 0, 0

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch, from its beginning if it is another one."""
        if epoch != self.epoch:
            self.epoch, self.start = epoch, 0

    def __len__(self) -> int:
        """Return the number of batches of an epoch, which is the same in all epochs and processes."""
        images: dict[Shape, int] = {}
        for shape, source in zip(self._shapes, self._sources, strict=True):
            images[shape] = images.get(shape, 0) + min(self._limit or len(source.names), len(source.names))
        batches = sum(-(-count // self._batch_size) for count in images.values())
        return batches - batches % self._multiple if batches >= self._multiple else batches

    def __iter__(self) -> Iterator[list[Item]]:
        """Yield this process's share of each batch of the epoch, from batch ``start`` on."""
        for batch in self.batches()[self.start : len(self)]:
            yield self._share(batch)

    def batches(self) -> list[list[Item]]:
        """Return the batches of the epoch over all processes, with those that are left out at the end."""
        rng = keyed_generator(self._seed, "", "epoch", self.epoch)
        chunks = [(place, chunk) for place in range(len(self._sources)) for chunk in self._chunks(place)]
        if self._training:
            chunks = [chunks[index] for index in rng.permutation(len(chunks))]
        by_shape: dict[Shape, list[Item]] = {}
        for place, chunk in chunks:
            by_shape.setdefault(self._shapes[place], []).extend((place, name) for name in chunk)
        size = self._batch_size
        batches = [items[at : at + size] for items in by_shape.values() for at in range(0, len(items), size)]
        return [batches[index] for index in rng.permutation(len(batches))] if self._training else batches

    def _chunks(self, place: int) -> list[list[int]]:
        """The degradations of a source in this epoch, in pieces that stay together and are in the run's order.

        A piece is of one distortion: its candidates are rendered once for all of them.
        """
        source = self._sources[place]
        count = min(self._limit or len(source.names), len(source.names))
        draws = self._training or count < len(source.names)
        rng = keyed_generator(self._seed, source.source_id, "degradations", self.epoch if self._training else 0)
        pieces: list[list[int]] = []
        for _, group in groupby(range(len(source.names)), key=lambda name: _distortion(source.names[name])):
            members = np.array(list(group))
            members = rng.permutation(members) if draws else members
            pieces += [piece.tolist() for piece in np.array_split(members, -(-len(members) // self._together))]
        if draws:
            pieces = [pieces[index] for index in rng.permutation(len(pieces))]
        chosen = []
        for piece in pieces:
            chosen.append(sorted(piece[:count]))
            count -= len(chosen[-1])
            if not count:
                break
        return chosen

    def _share(self, batch: list[Item]) -> list[Item]:
        """A process's part of a batch; where there are fewer images than processes, some images are in several parts."""
        if len(batch) < self._world:
            return [batch[self._rank % len(batch)]]
        first, last = (len(batch) * rank // self._world for rank in (self._rank, self._rank + 1))
        return batch[first:last]


@cache
def _distortion(name: str) -> str:
    return degradations.parse(name).distortion
