"""The images that models look at: the original and its degraded variants, read from the run folder or rendered again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

import degradations
from miqd_builder.errors import UnreadableImageError
from miqd_builder.images import decode_png
from miqd_builder.roi import roi_mask
from miqd_builder.sources import SourceImage
from miqd_builder.store.schema import ORIGINAL, image_path
from pipelines.context import Context

BATCH_IMAGES = 32
BATCH_BYTES = 256 * 2**20

Named = tuple[str, NDArray[np.uint8]]


def image_batches(
    context: Context, source: SourceImage, names: Sequence[str], hashes: Mapping[str, str]
) -> Iterator[list[Named]]:
    """Yield the named images of one source in batches of at most 32 images and 256 MB.

    Args:
        context: the run.
        source: the clean image.
        names: degradations, canonical order; ``original`` first if it is wanted.
        hashes: SHA-256 of the pixels of each degraded image, from ``variants``.

    Raises:
        UnreadableImageError: the source or a stored image can't be read, or its pixels are not those in ``variants``.
    """
    batch: list[Named] = []
    for name, pixels in _images(context, source, names):
        if name != ORIGINAL and hashlib.sha256(pixels.tobytes()).hexdigest() != hashes.get(name):
            raise UnreadableImageError(
                f"The pixels of '{image_path(source.source_id, name)}' are not those of its row in variants."
            )
        batch.append((name, pixels))
        if len(batch) == BATCH_IMAGES or (len(batch) + 1) * pixels.nbytes > BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _images(context: Context, source: SourceImage, names: Sequence[str]) -> Iterator[Named]:
    degraded = [name for name in names if name != ORIGINAL]
    if ORIGINAL in names:
        yield ORIGINAL, source.read()
    if context.config.images == "none":
        yield from _rendered(context, source, degraded)
        return
    for name in degraded:
        path = f"images/{image_path(source.source_id, name)}"
        try:
            yield name, decode_png(context.folder.read(path))
        except (FileNotFoundError, UnreadableImageError):
            raise UnreadableImageError(
                f"'{path}' is missing or damaged: delete the variants part that lists it and run again."
            ) from None


def _rendered(context: Context, source: SourceImage, names: list[str]) -> Iterator[Named]:
    if not names:
        return
    image = source.read()
    mask = roi_mask(context.config.roi, source, image)
    for variant in degradations.render(image, mask, source_id=source.source_id, seed=context.config.seed, names=names):
        yield variant.degradation.name, variant.pixels
