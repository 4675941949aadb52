"""The common form of source images, whatever data set they come from."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError, UnreadableImageError
from miqd_builder.images import IMAGE_SUFFIXES, decode_image
from miqd_builder.sources.label_maps import LabelMap

_UNSAFE = re.compile(r"[\x00-\x1f/\\:*?\"<>|=]")


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """Annotated objects of one image.

    Attributes:
        height, width: size of the image in pixels, as the annotation file states it.
        boxes: float64 ``(n, 4)``, x1, y1, x2, y2 in pixels.
        category_ids: int64 ``(n,)``.
        crowd: bool ``(n,)``, True for regions that COCOeval ignores.
        masks: COCO compressed RLE ``counts`` of the full image size, one for each box.
    """

    height: int
    width: int
    boxes: NDArray[np.float64]
    category_ids: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    masks: tuple[bytes, ...]

    def fingerprint(self) -> str:
        """Return a hash of everything that a score can depend on."""
        digest = hashlib.sha256(f"{self.height} {self.width}".encode())
        for array in (self.boxes, self.category_ids, self.crowd):
            digest.update(array.tobytes())
        for counts in self.masks:
            digest.update(counts + b" ")
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One clean image.

    Attributes:
        source_id: the file's stem, unique in its source.
        path: where the file is.
        label: class index of an image classification data set, None without one.
        truth: annotated objects, None for an image without annotations.
        label_map: classes of the pixels, None for an image without a label PNG.
    """

    source_id: str
    path: Path
    label: int | None = None
    truth: GroundTruth | None = None
    label_map: LabelMap | None = None

    def read(self) -> NDArray[np.uint8]:
        """Return the pixels, uint8 ``(height, width, 3)`` RGB, in the orientation that the file's EXIF data ask for.

        Raises:
            UnreadableImageError: the file is gone, damaged, or of another size than its annotations say; or its label PNG
                can't be used.
        """
        pixels = decode_image(self._bytes(), self.path.name)
        if self.truth is not None and pixels.shape[:2] != (self.truth.height, self.truth.width):
            height, width = pixels.shape[:2]
            raise UnreadableImageError(
                f"Image '{self.path.name}' is {width}x{height} pixels, its annotations are for "
                f"{self.truth.width}x{self.truth.height}: use the image that was annotated."
            )
        if self.label_map is not None:
            self.label_map.values(*pixels.shape[:2])
        return pixels

    def file_sha256(self) -> str:
        """Return the SHA-256 of the file; a file that can't be read gets a hash of its own."""
        try:
            return hashlib.sha256(self._bytes()).hexdigest()
        except UnreadableImageError:
            return "unreadable"

    def truth_fingerprint(self) -> str:
        """Return a hash of all ground truth of the image, whatever its kind."""
        known = (self.label, *(t and t.fingerprint() for t in (self.truth, self.label_map)))
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
    """

    images: tuple[SourceImage, ...]
    category_ids: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()
    by_id: dict[str, SourceImage] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {image.source_id: image for image in self.images})

    def first(self, limit: int | None) -> SourceSet:
        """Return the first ``limit`` images (all of them with None)."""
        return self if limit is None else replace(self, images=self.images[:limit])


def image_files(folder: Path) -> list[Path]:
    """Return the image files directly below a folder, sorted by stem.

    Raises:
        ConfigError: the folder doesn't exist or holds no image.
    """
    if not folder.is_dir():
        raise ConfigError(f"Image folder '{folder}' doesn't exist: set source.images to the folder that holds the images.")
    files = sorted(
        (p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()), key=lambda p: (p.stem, p.name)
    )
    if not files:
        raise ConfigError(f"Image folder '{folder}' holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}).")
    return files


def sorted_images(images: Iterable[SourceImage]) -> tuple[SourceImage, ...]:
    """Sort by id after checking that every id is unique and safe as a folder name.

    Raises:
        ConfigError: two files have one stem, or a stem can't name a folder.
    """
    ordered = sorted(images, key=lambda image: image.source_id)
    for image in ordered:
        if _UNSAFE.search(image.source_id) or image.source_id.startswith("."):
            raise ConfigError(
                f"Image name {image.path.name!r} can't be used as an id: rename it without control or path characters."
            )
    for one, two in itertools.pairwise(ordered):
        if one.source_id == two.source_id:
            raise ConfigError(
                f"Images '{one.path.name}' and '{two.path.name}' share the id '{one.source_id}': rename or remove one of them."
            )
    return tuple(ordered)


def some(items: Sequence[object], shown: int = 3) -> str:
    """List the first few items of many, for messages."""
    rest = f" and {len(items) - shown} more" if len(items) > shown else ""
    return ", ".join(f"'{item}'" for item in items[:shown]) + rest
