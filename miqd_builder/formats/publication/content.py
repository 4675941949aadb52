"""What shards take from a run folder: rows of its tables, and images as PNG files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.formats.publication.licences import PhotoLicence, photo_licences
from miqd_builder.roi.stored import decode_mask, encode_mask, mask_path
from miqd_builder.sources import SourceImage, open_source
from miqd_builder.sources.png import encode_png
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_part
from miqd_builder.store.record import RunRecord
from miqd_builder.tables import queries
from miqd_builder.tables.run_images import RunImages
from miqd_builder.tables.schema import ORIGINAL, image_path, table_path

KEEP = 3
"""Parts of one table that are kept in memory: the sources of a file are neighbours in them."""


@dataclass(frozen=True, slots=True)
class PublishedImage:
    """An image as it is embedded.

    Attributes:
        name: of its degradation, or ``original``.
        data: a PNG file; of an original the source's own file, whatever its format.
        suffix: of the file, such as ``.png``.
        pixels: uint8 ``(height, width, 3)`` RGB.
    """

    name: str
    data: bytes
    suffix: str
    pixels: NDArray[np.uint8]


class RunContent:
    """The content of a run folder, from the folder alone and the source that it names.

    Args:
        url: of the run folder.

    Raises:
        ConfigError: it holds no run.
    """

    def __init__(self, url: str) -> None:
        self.folder = RunFolder(url)
        record = RunRecord.load(self.folder)
        if record is None:
            raise ConfigError(f"'{url}' holds no run: correct --out.")
        self.record = record
        self._images = RunImages(self.folder, record)
        self._part_of = {source_id: number for number, part in enumerate(record.parts) for source_id in part}
        self._tables: dict[str, pa.Table] = {}

    def rows(
        self,
        table: str,
        sources: Sequence[str],
        *,
        task: str | None = None,
        model: str | None = None,
        measure: str | None = None,
    ) -> Iterator[pa.Table]:
        """Yield the rows of some sources, part by part, with the checksum of each part looked at; parts may be missing.

        Args:
            table: its name, as for :func:`miqd_builder.tables.schema.table_path`.
            sources: ids, in the order of the run's parts.
            task: of the table.
            model: of the table.
            measure: of the table.

        Raises:
            StoreError: a part is damaged.
        """
        wanted = pa.array(sources, pa.string())
        for number in dict.fromkeys(self._part_of[source_id] for source_id in sources):
            name = table_path(table, number, task=task, model=model, measure=measure)
            part = self._part(name)
            if part is not None:
                chosen = part.filter(pc.is_in(part["source_id"], value_set=wanted))
                if chosen.num_rows:
                    yield chosen

    def _part(self, name: str) -> pa.Table | None:
        if name not in self._tables:
            while len(self._tables) >= KEEP:
                del self._tables[next(iter(self._tables))]
            if not self.folder.exists(name):
                return None
            self._tables[name] = read_part(self.folder, name)
        return self._tables[name]

    def images(self, source_id: str, names: Sequence[str]) -> Iterator[PublishedImage]:
        """Yield images of one source, each with the pixels that the run recorded.

        Args:
            source_id: one of the run.
            names: degradations, and ``original``, which must come first.

        Raises:
            ConfigError, StoreError, UnreadableImageError: as for :meth:`miqd_builder.tables.run_images.RunImages.several`.
        """
        degraded = [name for name in names if name != ORIGINAL]
        if ORIGINAL in names:
            pixels = self._images.read(source_id, ORIGINAL)
            path = self.source(source_id).path
            yield PublishedImage(ORIGINAL, path.read_bytes(), path.suffix.lower(), pixels)
        if not degraded:
            return
        for name, pixels in self._images.several(source_id, degraded):
            stored = f"images/{image_path(source_id, name)}"
            data = self.folder.read(stored) if self.record.images == "png" else encode_png(pixels)
            yield PublishedImage(name, data, ".png", pixels)

    def roi(self, source_id: str) -> bytes:
        """Return the ROI mask of a source, a PNG of 1 bit a pixel; the same mask gives the same bytes.

        Raises:
            StoreError: the run doesn't keep it, and its source doesn't have it.
        """
        try:
            mask: NDArray[np.uint8] | None = decode_mask(self.folder.read(mask_path(source_id)))[0]
        except (FileNotFoundError, ValueError):
            mask = self._images.roi(source_id)
        if mask is None:
            raise StoreError(
                f"'{self.folder.url}' doesn't keep the ROI mask of '{source_id}', without which its pixels can't be made "
                "again: run 'miqd degrade' again, which stores it."
            )
        return encode_mask(mask, "")

    def source(self, source_id: str) -> SourceImage:
        """Return a clean image.

        Raises:
            ConfigError: it is no longer in the source.
        """
        for sources in self._sources:
            if source_id in sources:
                return sources[source_id]
        raise ConfigError(f"Image '{source_id}' is no longer in '{self.configs[0].source.images}': put it back.")

    def class_index(self, source_id: str) -> int | None:
        """Return the class label of a source, from whichever source section has one."""
        for sources in self._sources:
            label = sources[source_id].truth_for("cls") if source_id in sources else None
            if label is not None:
                return label.index
        return None

    def photo(self, source_id: str) -> PhotoLicence:
        """Return the licence of a photograph, as far as an annotation file states one."""
        return self._photos.get(source_id, PhotoLicence())

    @cached_property
    def configs(self) -> tuple[RunConfig, ...]:
        """Run files of the commands that made the run; one for each source section."""
        made = [c.run_file(self.folder) for c in self.record.commands if c.command in ("degrade", "label")]
        return tuple({config.source.model_dump_json(): config for config in made}.values())

    @cached_property
    def labelled_tasks(self) -> list[str]:
        """Tasks that have labels, sorted."""
        return queries.labelled_tasks(self.folder)

    @cached_property
    def _sources(self) -> list[Mapping[str, SourceImage]]:
        return [open_source(config.source).by_id for config in self.configs]

    @cached_property
    def _photos(self) -> dict[str, PhotoLicence]:
        found: dict[str, PhotoLicence] = {}
        for config in self.configs:
            found |= photo_licences(config.source)
        return found
