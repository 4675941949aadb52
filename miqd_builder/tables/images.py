"""The images of a run: originals and their degraded variants, read from the run folder or rendered again."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

import degradations
from miqd_builder.config import RoiConfig, RunConfig
from miqd_builder.errors import UnreadableImageError
from miqd_builder.roi import roi_hash
from miqd_builder.roi.stored import source_mask
from miqd_builder.sources import SourceImage
from miqd_builder.sources.png import decode_png
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_part
from miqd_builder.tables.candidates import read_candidates
from miqd_builder.tables.lineage import short_hash
from miqd_builder.tables.schema import ORIGINAL, image_path, table_path

BATCH_IMAGES = 64
"""A multiple of every back end's batch size."""
BATCH_BYTES = 128 * 2**20
"""Bound of a batch in memory; a worker holds three of them (``read_ahead``)."""

Named = tuple[str, NDArray[np.uint8]]


def source_hash(source: SourceImage, roi: RoiConfig, seed: int) -> str:
    """Return the hash of everything that the degraded pixels of one source depend on, besides the distortion."""
    return short_hash(source.file_sha256(), roi_hash(roi, source), str(seed))


class PartImages:
    """The images of one part, as its part of ``variants`` records them.

    Attributes:
        stored: whether they are read from the run folder; otherwise they are rendered again.

    Args:
        folder: the run folder.
        config: the run file, for its source, ROI masks and seed.
        names: degradations of the run, in canonical order.
        part: number of the part.

    Raises:
        StoreError: the part of ``variants`` is missing or damaged.
    """

    def __init__(self, folder: RunFolder, config: RunConfig, names: Sequence[str], part: int) -> None:
        self._folder, self._config, self._names = folder, config, names
        self.stored = config.images == "png"
        self._psnrs = read_candidates(folder, part)
        self._hashes: dict[str, dict[str, str]] = defaultdict(dict)
        table = read_part(folder, table_path("variants", part), ["source_id", "degradation", "pixel_sha256", "height", "width"])
        self._bytes: dict[str, int] = {}
        for row in table.to_pylist():
            self._hashes[row["source_id"]][row["degradation"]] = row["pixel_sha256"]
            self._bytes[row["source_id"]] = 3 * row["height"] * row["width"]

    def names(self, source_id: str) -> list[str]:
        """Return the images of one source: the original and its variants; none for a source that couldn't be degraded."""
        known = self._hashes.get(source_id, {})
        return [ORIGINAL, *(name for name in self._names if name in known)] if known else []

    def batch_length(self, source_id: str) -> int:
        """Return how many images of one source make a batch."""
        return max(1, min(BATCH_IMAGES, BATCH_BYTES // self._bytes.get(source_id, 1)))

    def batches(self, source: SourceImage, names: Sequence[str]) -> Iterator[list[Named]]:
        """Yield some images of one source, in batches of at most 64 images and 128 MB.

        Args:
            source: the clean image.
            names: some of :meth:`names`, in their order.

        Raises:
            UnreadableImageError: the source or a stored image can't be read, or its pixels are not those in ``variants``.
        """
        hashes = self._hashes[source.source_id]
        batch: list[Named] = []
        for name, pixels in self._images(source, names):
            if name != ORIGINAL and hashlib.sha256(pixels.tobytes()).hexdigest() != hashes[name]:
                raise UnreadableImageError(
                    f"The pixels of '{image_path(source.source_id, name)}' are not those of its row in variants."
                )
            batch.append((name, pixels))
            if len(batch) == BATCH_IMAGES or (len(batch) + 1) * pixels.nbytes > BATCH_BYTES:
                yield batch
                batch = []
        if batch:
            yield batch

    def _images(self, source: SourceImage, names: Sequence[str]) -> Iterator[Named]:
        degraded = [name for name in names if name != ORIGINAL]
        if ORIGINAL in names:
            yield ORIGINAL, source.read()
        yield from (self._decoded if self.stored else self._rendered)(source, degraded)

    def _decoded(self, source: SourceImage, names: Sequence[str]) -> Iterator[Named]:
        for name in names:
            path = f"images/{image_path(source.source_id, name)}"
            try:
                yield name, decode_png(self._folder.read(path))
            except (FileNotFoundError, UnreadableImageError):
                raise UnreadableImageError(
                    f"'{path}' is missing or damaged: delete the variants part that lists it and run again."
                ) from None

    def _rendered(self, source: SourceImage, names: Sequence[str]) -> Iterator[Named]:
        if not names:
            return
        config = self._config
        image = source.read()
        mask = source_mask(self._folder, config.roi, source, image)
        psnrs = self._psnrs.get(source.source_id, {})
        for variant in degradations.render(image, mask, source_id=source.source_id, seed=config.seed, names=names, psnrs=psnrs):
            yield variant.degradation.name, variant.pixels
