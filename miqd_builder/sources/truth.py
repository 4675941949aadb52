"""Ground truth of one image, a kind for each way to annotate."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import UnreadableImageError
from miqd_builder.responses import Detections
from miqd_builder.sources.label_maps import LabelMap
from miqd_builder.sources.outlines import Outline, mask_counts
from miqd_builder.tasks import Task


@dataclass(frozen=True, slots=True)
class ClassLabel:
    """The class of the whole image.

    Attributes:
        index: class index of the data set, from 0.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({"cls"})

    index: int

    def check(self, height: int, width: int) -> None:
        """Make sure that it can be used for an image of this size in pixels; a class always can."""

    def content_hash(self) -> str:
        """Return everything that a score can depend on."""
        return str(self.index)


@dataclass(frozen=True, eq=False)
class Annotations:
    """Annotated objects.

    Attributes:
        height, width: size of the image in pixels, as the annotation file states it.
        boxes: float64 ``(n, 4)``, x1, y1, x2, y2 in pixels.
        category_ids: int64 ``(n,)``.
        crowd: bool ``(n,)``, True for regions that COCOeval ignores.
        outlines: of each object, as they are in the annotation file; decoded only when asked for, see :attr:`masks`.
        ids: of the annotations, for messages; none where they aren't known.
        image: how errors call the image.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({"det", "ins"})

    height: int
    width: int
    boxes: NDArray[np.float64]
    category_ids: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    outlines: Sequence[Outline]
    ids: Sequence[Any] = ()
    image: str = ""

    @cached_property
    def masks(self) -> tuple[bytes, ...]:
        """COCO compressed RLE ``counts`` of the full image size, one for each box; decoded once.

        Raises:
            UnreadableImageError: an outline is malformed.
        """
        return tuple(self._counts(place, outline) for place, outline in enumerate(self.outlines))

    def check(self, height: int, width: int) -> None:
        """Make sure that they can be used for an image of this size in pixels.

        Raises:
            UnreadableImageError: they are for another size, or an outline is malformed.
        """
        if (height, width) != (self.height, self.width):
            raise UnreadableImageError(
                f"Image '{self.image}' is {width}x{height} pixels, its annotations are for {self.width}x{self.height}: "
                "use the image that was annotated."
            )
        _ = self.masks  # decoded here so that a malformed one costs this image, not a part's scores

    def detections(self, *, masks: bool) -> Detections:
        """Return the objects in the form of detections, each with score 1; with their masks only if asked for.

        Raises:
            UnreadableImageError: masks are asked for and an outline is malformed.
        """
        return Detections(
            height=self.height,
            width=self.width,
            boxes=self.boxes,
            scores=np.ones(len(self.boxes), np.float64),
            category_ids=self.category_ids,
            masks=self.masks if masks else None,
            crowd=self.crowd,
        )

    def content_hash(self) -> str:
        """Return a hash of everything that a score can depend on; it is another one if outlines are malformed."""
        digest = hashlib.sha256(f"{self.height} {self.width}".encode())
        for array in (self.boxes, self.category_ids, self.crowd):
            digest.update(array.tobytes())
        try:
            for counts in self.masks:
                digest.update(counts + b" ")
        except UnreadableImageError:
            digest.update(b"unreadable")
        return digest.hexdigest()

    def _counts(self, place: int, outline: Outline) -> bytes:
        try:
            return mask_counts(outline, self.height, self.width)
        except ValueError as error:
            which = self.ids[place] if place < len(self.ids) else f"number {place + 1}"
            raise UnreadableImageError(
                f"Annotation {which} of image '{self.image}' has a malformed segmentation ({error}): correct or remove it."
            ) from None


Truth = ClassLabel | Annotations | LabelMap
"""Ground truth of an image. ``tasks`` are the tasks that it serves, ``check(height, width)`` finds out whether it can be used
for an image of that size, ``content_hash()`` identifies its content."""
