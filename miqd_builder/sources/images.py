"""Read photographs as uint8 RGB."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import threading
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from miqd_builder.errors import UnreadableImageError

MAX_PIXELS = 100_000_000
"""Pixels of the largest image that is decoded, unless ``source.max_pixels`` says otherwise."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})

PROGRAMS = frozenset({"EPS"})
"""Formats of Pillow that are programs: it hands PostScript to Ghostscript, whatever the file's name says."""


class _PillowLimit:
    """Takes Pillow's limit of pixels away while an image that is larger, and that the caller allows, is decoded.

    The limit is a global of Pillow; it's back as soon as no thread decodes such an image.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit: int | None = None

    @contextlib.contextmanager
    def lifted_for(self, pixels: float) -> Iterator[None]:
        """Let Pillow decode an image of this size."""
        with self._lock:
            limit = self._limit if self._users else Image.MAX_IMAGE_PIXELS
            lift = limit is not None and pixels > limit
            if lift:
                self._users += 1
                self._limit, Image.MAX_IMAGE_PIXELS = limit, None
        try:
            yield
        finally:
            if lift:
                with self._lock:
                    self._users -= 1
                    if not self._users:
                        Image.MAX_IMAGE_PIXELS = self._limit


PILLOW_LIMIT = _PillowLimit()


def decode_image(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode an image file's bytes into uint8 ``(height, width, 3)`` RGB.

    EXIF orientation is applied. Grayscale, palette and CMYK are converted, an alpha channel is dropped (as torchvision and timm
    do), and 16-bit samples are scaled to 8 bits. Of an animation, the first frame is taken.

    Args:
        data: the file's content.
        name: how errors call the file.
        max_pixels: a larger image is refused by its header, before it is decoded. Pillow's own limit plays no role.

    Raises:
        UnreadableImageError: the data are empty, truncated, of no known format, of floating-point samples, or too large.
    """
    if not data:
        raise UnreadableImageError(f"Image '{name}' is empty (0 bytes): copy it again from its source.")
    try:
        with open_image(data, max_pixels) as file:
            if file.width * file.height > max_pixels:
                raise _too_large(f"is {file.width}x{file.height} pixels", name, max_pixels)
            with PILLOW_LIMIT.lifted_for(file.width * file.height):
                image = ImageOps.exif_transpose(file)
                image.load()
            return rgb_of(image, name)
    except UnidentifiedImageError:
        raise UnreadableImageError(f"Image '{name}' is in no format that Pillow reads: convert it to PNG or JPEG.") from None
    except Image.DecompressionBombError as error:
        pixels = re.search(r"\d+", str(error))
        raise _too_large(f"has {pixels[0] if pixels else 'too many'} pixels", name, max_pixels) from None
    except UnreadableImageError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever they stumble on in damaged bytes
        reason = str(error) or type(error).__name__
        raise UnreadableImageError(f"Image '{name}' is damaged ({reason}): copy it again from its source.") from error


def rgb_of(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """Return a Pillow image as uint8 ``(height, width, 3)`` RGB, converted as :func:`decode_image` says.

    Raises:
        UnreadableImageError: it has floating-point samples.
    """
    if image.mode == "F":
        raise UnreadableImageError(f"Image '{name}' has floating-point samples: convert it to 8 or 16 bits.")
    if image.mode.startswith("I"):
        samples = np.asarray(image).astype(np.int64) >> 8
        image = Image.fromarray(np.clip(samples, 0, 255).astype(np.uint8))
    return np.array(image.convert("RGB"), dtype=np.uint8)


def open_image(data: bytes, max_pixels: int, formats: Sequence[str] = ()) -> ImageFile.ImageFile:
    """Read an image's header, as ``Image.open`` does but without its check of the size: the caller makes its own.

    Args:
        data: a file's content.
        max_pixels: size of the largest image that the caller takes. (Some formats set memory aside for the header alone.)
        formats: Pillow's names of the formats to try; all but :data:`PROGRAMS` where there are none.

    Raises:
        UnidentifiedImageError: the data are of no such format.
        DecompressionBombError: the image is larger than both ``max_pixels`` and twice Pillow's limit.
    """
    with PILLOW_LIMIT.lifted_for(max_pixels / 2):
        for load_plugins in (Image.preinit, Image.init):
            load_plugins()
            for name in formats or [known for known in Image.ID if known not in PROGRAMS]:
                file = _open_as(name, data)
                if file is not None:
                    return file
    raise UnidentifiedImageError("no known format")


def _open_as(name: str, data: bytes) -> ImageFile.ImageFile | None:
    """Read the header as one format; None if it is another."""
    if name not in Image.OPEN:
        return None
    factory, accept = Image.OPEN[name]
    try:
        accepted = not accept or accept(data[:16])
        if not accepted or isinstance(accepted, str):  # a text says what Pillow lacks for this format
            return None
        return factory(io.BytesIO(data), "")
    except (SyntaxError, IndexError, TypeError, KeyError, struct.error):
        return None


def _too_large(size: str, name: str, max_pixels: int) -> UnreadableImageError:
    return UnreadableImageError(
        f"Image '{name}' {size}, more than source.max_pixels = {max_pixels}: raise the limit, or leave the image out."
    )
