"""Single images of a run, by source and degradation, from the run folder alone and the source that it names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import degradations
from miqd_builder import consent, user_code
from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError, StoreError, UnreadableImageError
from miqd_builder.roi.stored import mask_path, source_mask
from miqd_builder.sources import SourceImage, SourceSet, open_source
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.images import Named, PartImages, source_hash
from miqd_builder.tables.lineage import VariantsLineage
from miqd_builder.tables.schema import ORIGINAL, table_path

MOST_PARTS = 16
ALREADY_THERE = ("annotations", "masks")
"""Kinds of ROI masks that come with the source: no network has to run for one that the folder doesn't keep."""
NONE = -1
"""Index of no run file: images that none of them gives now."""


class RunImages:
    """The images of a run folder.

    Attributes:
        degradations: names of what there is of each source, the original among them.

    Args:
        folder: the run folder.
        record: its record.
        most_parts: parts whose hashes are kept in memory, the last used ones.
    """

    def __init__(self, folder: RunFolder, record: RunRecord, *, most_parts: int = MOST_PARTS) -> None:
        self._folder, self._record, self._most_parts = folder, record, most_parts
        self.degradations = (ORIGINAL, *record.degradations)
        self._part_of = {source_id: number for number, part in enumerate(record.parts) for source_id in part}
        self._parts: dict[tuple[int, int], PartImages] = {}

    def read(self, source_id: str, degradation: str) -> NDArray[np.uint8]:
        """Return an image, uint8 ``(height, width, 3)`` RGB, after making sure that it is the one that the run recorded.

        Args:
            source_id: one of the run.
            degradation: one of :attr:`degradations`.

        Raises:
            ConfigError: the source or a plug-in is gone.
            UnreadableImageError: it can't be read, or its pixels are not those that the run recorded.
            StoreError: the part of ``variants`` is missing or damaged, or the run holds no images.
        """
        number = self._part_of[source_id]
        images = self._part(number, 0)
        if degradation not in images.names(source_id):
            raise StoreError(
                f"'{self._folder.url}' has no '{degradation}' of '{source_id}': 'miqd status --failed' says why it is missing."
            )
        if degradation == ORIGINAL:
            return self._original(source_id, number)
        [(_, pixels)] = self.several(source_id, [degradation])
        return pixels

    def several(self, source_id: str, names: Sequence[str]) -> Iterator[Named]:
        """Yield degraded images of one source, which is decoded once for all of them.

        Args:
            source_id: one of the run.
            names: degradations that the run has of it, without the original; cheapest in canonical order.

        Raises:
            ConfigError, UnreadableImageError, StoreError: as for :meth:`read`.
        """
        number = self._part_of[source_id]
        images = self._part(number, 0)
        source = SourceImage(source_id, Path(source_id))
        if not images.stored:  # what is stored is read without its source, which may be gone
            source = self._source(source_id)
            images = self._part(number, self._config_of(source, number))
        for batch in images.batches(source, names):
            yield from batch

    def roi(self, source_id: str) -> NDArray[np.uint8] | None:
        """Return the ROI mask of a source, uint8 ``(height, width)`` of 0 and 255, if the run keeps it or its source has it.

        Raises:
            ConfigError: the source is gone.
            UnreadableImageError: the source or its mask can't be read.
        """
        source = self._source(source_id)
        config = self._configs[self._config_of(source, self._part_of[source_id])].roi
        if config.kind not in ALREADY_THERE and not self._folder.exists(mask_path(source_id)):
            return None
        return source_mask(self._folder, config, source, source.read())

    def _config_of(self, source: SourceImage, number: int) -> int:
        return max(0, self._made_by(source, number)) if len(self._configs) > 1 else 0

    def _original(self, source_id: str, number: int) -> NDArray[np.uint8]:
        source = self._source(source_id)
        if self._made_by(source, number) == NONE:
            raise UnreadableImageError(
                f"Image '{source.path.name}' or its ROI mask is not what it was when '{self._folder.url}' was made: put it "
                "back, or run the same command again."
            )
        return source.read()

    def _made_by(self, source: SourceImage, number: int) -> int:
        """Index of the run file that a source's variants were made with: the one whose hash the part recorded; else NONE."""
        footer = read_footer(self._folder, table_path("variants", number))
        lineage = footer.lineage if footer is not None else None
        recorded = lineage.sources.get(source.source_id) if isinstance(lineage, VariantsLineage) else None
        for index, config in enumerate(self._configs):
            try:
                if source_hash(source, config.roi, config.seed) == recorded:
                    return index
            except ConfigError:  # a network that another command asked for may be gone
                if len(self._configs) == 1:
                    raise
        return NONE

    def _part(self, number: int, made_by: int) -> PartImages:
        images = self._parts.pop((number, made_by), None)
        if images is None:
            if not self._folder.exists(table_path("variants", number)):
                raise StoreError(f"'{self._folder.url}' lacks part {number} of variants: run 'miqd degrade' first.")
            images = PartImages(self._folder, self._configs[made_by], self._record.degradations, number)
            while len(self._parts) >= self._most_parts:
                del self._parts[next(iter(self._parts))]
        self._parts[number, made_by] = images
        return images

    def _source(self, source_id: str) -> SourceImage:
        if source_id not in self._sources.by_id:
            raise ConfigError(f"Image '{source_id}' is no longer in '{self._config.source.images}': put it back.")
        return self._sources.by_id[source_id]

    @property
    def _config(self) -> RunConfig:
        return self._configs[0]

    @cached_property
    def _configs(self) -> list[RunConfig]:
        """The run files of the commands that made the images, one for each ROI setting, with their distortions registered."""
        made = [command for command in self._record.commands if command.command in ("degrade", "label")]
        if not made:
            raise StoreError(f"'{self._folder.url}' holds no images: its labels were imported.")
        configs: list[RunConfig] = []
        for command in made:
            config = command.run_file(self._folder)
            if all(config.roi != known.roi for known in configs):
                configs.append(config)
        try:
            for module in dict.fromkeys(module for config in configs for module in config.plugins):
                consent.check_module(module, f"Run folder '{self._folder.url}'")
                degradations.load_plugin(module, user_code.load)
            degradations.load_installed(user_code.load)
        except degradations.PluginError as error:
            raise ConfigError(str(error)) from None
        return configs

    @cached_property
    def _sources(self) -> SourceSet:
        return open_source(self._config.source)
