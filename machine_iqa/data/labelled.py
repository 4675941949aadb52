"""Degraded images with their labels of several tasks, from several run folders or published trees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from machine_iqa.data.pixels import Pixels
from machine_iqa.networks.base import Output
from miqd_builder.benchmarking.joined import LABELS
from miqd_builder.errors import ConfigError
from miqd_builder.labeling.aggregation import LabelRows

COLUMNS = LABELS
"""Column of ``labels`` that each label is."""


@dataclass(frozen=True)
class LabelledSource:
    """One source image in one place, with the degraded images that have a label.

    Attributes:
        source_id: its id; two run folders may have images of the same source.
        pixels: where they come from.
        size: height and width, in pixels.
        names: of its degradations.
        targets: float32 ``(degradations, outputs)``, NaN where a label is missing.
    """

    source_id: str
    pixels: Pixels
    size: tuple[int, int]
    names: tuple[str, ...]
    targets: NDArray[np.float32]


@dataclass(frozen=True)
class Labelled:
    """A set of labelled images.

    Attributes:
        outputs: what the columns of the targets are.
        sources: the images.
        recipes: recipe of the labels, by task.
        labelled_by: names of the models that labelled, by task; none for imported labels.
        notes: what to know of the data, a sentence each.
    """

    outputs: tuple[Output, ...]
    sources: tuple[LabelledSource, ...]
    recipes: dict[str, str]
    labelled_by: dict[str, list[str]]
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """Number of degraded images."""
        return sum(len(source.names) for source in self.sources)

    def counts(self) -> NDArray[np.int64]:
        """Return the number of labels of each output, int64 ``(outputs,)``."""
        known = [(~np.isnan(source.targets)).sum(axis=0) for source in self.sources]
        return np.asarray(np.sum(known, axis=0, dtype=np.int64) if known else np.zeros(len(self.outputs)), np.int64)

    def of_sources(self, source_ids: Iterable[str]) -> Labelled:
        """Return the images of some sources."""
        wanted = set(source_ids)
        kept = tuple(source for source in self.sources if source.source_id in wanted)
        return Labelled(self.outputs, kept, self.recipes, self.labelled_by, self.notes)


def joined_data(parts: Sequence[Labelled]) -> Labelled:
    """Return several sets of labelled images as one.

    Raises:
        ConfigError: labels of one task follow different recipes, or an output has no label in any of them.
    """
    recipes: dict[str, str] = {}
    models: dict[str, set[str]] = {}
    for part in parts:
        for task, recipe in part.recipes.items():
            if recipes.setdefault(task, recipe) != recipe:
                raise ConfigError(
                    f"Labels of task {task} follow the recipes '{recipes[task]}' and '{recipe}': train on runs of one recipe, "
                    "or label them again with one."
                )
        for task, names in part.labelled_by.items():
            models.setdefault(task, set()).update(names)
    sources = tuple(source for part in parts for source in part.sources)
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    found = Labelled(parts[0].outputs, sources, recipes, {t: sorted(m) for t, m in sorted(models.items())}, notes)
    for output, count in zip(found.outputs, found.counts(), strict=True):
        if not count:
            raise ConfigError(
                f"No image has a label {output.label} of task {output.task}: run 'miqd label --task {output.task}' on images "
                "with what it needs, or leave it out of tasks and labels."
            )
    return found


def labelled_sources(
    images: pa.Table, targets: NDArray[np.float32], pixels: Pixels, sizes: dict[str, tuple[int, int]]
) -> Iterator[LabelledSource]:
    """Yield the sources of a table of images; images without any label are left out.

    Args:
        images: a row a degraded image, with ``source_id`` and ``degradation``; those of a source are together.
        targets: float32 ``(rows, outputs)``.
        pixels: where the images come from.
        sizes: height and width of each source.
    """
    ids, names = images["source_id"].to_pylist(), images["degradation"].to_pylist()
    rows: dict[str, list[int]] = {}
    for row in np.flatnonzero(~np.isnan(targets).all(axis=1)).tolist():
        rows.setdefault(ids[row], []).append(row)
    for source_id, own in rows.items():
        yield LabelledSource(source_id, pixels, sizes[source_id], tuple(names[row] for row in own), targets[own])


def placed_targets(images: pa.Table, outputs: Sequence[Output], labels: dict[str, pa.Table]) -> NDArray[np.float32]:
    """Return the labels of tasks by image, float32 ``(images, outputs)``; NaN where there is none.

    Args:
        images: a row a degraded image, with ``source_id`` and ``degradation``.
        outputs: the wanted columns.
        labels: label tables by task.
    """
    targets = np.full((images.num_rows, len(outputs)), np.nan, np.float32)
    place = LabelRows(images)
    for task, table in labels.items():
        rows, places = place.of(table)
        for column, output in enumerate(outputs):
            if output.task == task:
                targets[places, column] = table[COLUMNS[output.label]].to_numpy()[rows]
    return targets
