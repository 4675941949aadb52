"""The common form of source images, whatever data set they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import UnreadableImageError
from miqd_builder.sources.files import NamedFile, RefusedFile
from miqd_builder.sources.files import some as some
from miqd_builder.sources.images import MAX_PIXELS, decode_image
from miqd_builder.sources.label_maps import LabelMap
from miqd_builder.sources.truth import Annotations, ClassLabel, Truth
from miqd_builder.tasks import Task


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One clean image.

    Attributes:
        source_id: the file's stem, unique in its source; with subfolders their names before it.
        path: where the file is.
        truth: ground truth of the image, None without one.
        max_pixels: a larger image is refused before it is decoded.
    """

    source_id: str
    path: Path
    truth: Truth | None = None
    max_pixels: int = MAX_PIXELS

    @overload
    def truth_for(self, task: Literal["cls"]) -> ClassLabel | None: ...
    @overload
    def truth_for(self, task: Literal["det", "ins"]) -> Annotations | None: ...
    @overload
    def truth_for(self, task: Literal["seg"]) -> LabelMap | None: ...
    @overload
    def truth_for(self, task: Task) -> Truth | None: ...
    def truth_for(self, task: Task) -> Truth | None:
        """Return the ground truth if it serves the task, else None."""
        return self.truth if self.truth is not None and task in self.truth.tasks else None

    def read(self) -> NDArray[np.uint8]:
        """Return the pixels, uint8 ``(height, width, 3)`` RGB, in the orientation that the file's EXIF data ask for.

        Raises:
            UnreadableImageError: the file is gone, damaged or too large.
        """
        return decode_image(self._bytes(), self.path.name, self.max_pixels)

    def check_truth(self, height: int, width: int) -> None:
        """Make sure that the ground truth can be used for the pixels that were read.

        Args:
            height: of the image, in pixels.
            width: of the image, in pixels.

        Raises:
            UnreadableImageError: it is for another size, a segmentation is malformed, or a label PNG is damaged.
        """
        if self.truth is not None:
            self.truth.check(height, width)

    def file_sha256(self) -> str:
        """Return the SHA-256 of the file; ``unreadable`` for a file that can't be read."""
        try:
            return hashlib.sha256(self._bytes()).hexdigest()
        except UnreadableImageError:
            return "unreadable"

    def truth_hash(self) -> str:
        """Return a hash of all ground truth of the image, whatever its kind."""
        label, annotated, label_map = self.truth_for("cls"), self.truth_for("det"), self.truth_for("seg")
        known = (label and label.index, *(t and t.content_hash() for t in (annotated, label_map)))
        return hashlib.sha256(str(known).encode()).hexdigest()

    def _bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise UnreadableImageError(f"Image '{self.path.name}' can't be read ({error.strerror}).") from error


@dataclass(frozen=True)
class SourceSet:
    """All clean images of a run, sorted by id.

    Attributes:
        images: the images.
        category_ids: ids of the annotated categories, rising; None where the source has no annotations.
        notes: what a user should know of the source, one line each (images without annotations, unused labels, ...).
        refused: files of the source that can't be used.
    """

    images: tuple[SourceImage, ...]
    category_ids: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()
    refused: tuple[RefusedFile, ...] = ()
    by_id: dict[str, SourceImage] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {image.source_id: image for image in self.images})

    def first(self, limit: int | None) -> SourceSet:
        """Return the first ``limit`` images (all of them with None)."""
        return self if limit is None else replace(self, images=self.images[:limit])


def sorted_images(images: Iterable[SourceImage]) -> tuple[SourceImage, ...]:
    """Sort images by id."""
    return tuple(sorted(images, key=lambda image: image.source_id))


def source_image(file: NamedFile, truth: Truth | None, max_pixels: int) -> SourceImage:
    """Return the image of a file, with its ground truth."""
    return SourceImage(file.source_id, file.path, truth, max_pixels)
