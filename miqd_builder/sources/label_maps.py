"""Label PNGs: one class for each pixel, the ground truth of semantic segmentation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from miqd_builder.errors import UnreadableImageError
from miqd_builder.responses import Segmentation
from miqd_builder.sources.images import PILLOW_LIMIT, open_image
from miqd_builder.tasks import Task

IGNORED = 255
"""Pixel value that never is a class."""

ONE_CHANNEL = ("1", "L", "P", "I;16")
"""Pillow's names of PNGs with one number a pixel; a palette's numbers are its indices."""


@dataclass(frozen=True, slots=True)
class LabelMap:
    """The label PNG of one image.

    Attributes:
        path: the file. Its pixel values are class numbers: grey values, or the indices of a palette (not its colours).
        category_ids: the values that are classes; None means all. Other values, and 255 always, mark pixels that don't count.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({"seg"})

    path: Path
    category_ids: tuple[int, ...] | None = None

    def read(self, height: int, width: int) -> Segmentation:
        """Return the classes of an image of this size in pixels; pixels that don't count belong to no class.

        Raises:
            UnreadableImageError: the file is gone or damaged, holds colours, or is of another size.
        """
        values = self.values(height, width)
        counted = values != IGNORED
        if self.category_ids is not None:
            counted &= np.isin(values, self.category_ids)
        return Segmentation.from_map(np.where(counted, values, -1))

    def values(self, height: int, width: int) -> NDArray[np.int32]:
        """Return the pixel values as they are in the file, int32 ``(height, width)``; errors as for :meth:`read`."""
        try:
            with open_image(self._bytes(), height * width, ["PNG"]) as image:
                if (image.height, image.width) != (height, width):
                    raise UnreadableImageError(
                        f"Label map '{self.path.name}' is {image.width}x{image.height} pixels, its image {width}x{height}: "
                        "use the map of this image."
                    )
                with PILLOW_LIMIT.lifted_for(height * width):
                    image.load()
        except UnidentifiedImageError:
            raise UnreadableImageError(f"Label map '{self.path.name}' is no PNG: write the classes as a PNG.") from None
        except (OSError, SyntaxError, ValueError) as error:
            raise UnreadableImageError(f"Label map '{self.path.name}' is damaged ({error}): copy it again.") from error
        if image.mode not in ONE_CHANNEL:
            raise UnreadableImageError(
                f"Label map '{self.path.name}' holds colours (mode {image.mode}), not class numbers: "
                "save it as a grey or palette PNG."
            )
        return np.asarray(image).astype(np.int32)

    def check(self, height: int, width: int) -> None:
        """Make sure that it can be used for an image of this size in pixels; errors as for :meth:`read`."""
        self.values(height, width)

    def content_hash(self) -> str:
        """Return a hash of everything that a score can depend on; for a file that can't be read it says so."""
        try:
            content = hashlib.sha256(self._bytes()).hexdigest()
        except UnreadableImageError:
            content = "unreadable"
        return f"{content} {self.category_ids}"

    def _bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise UnreadableImageError(f"Label map '{self.path.name}' can't be read ({error.strerror}).") from error
