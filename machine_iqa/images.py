"""Images as users have them, files, Pillow images and arrays, as uint8 RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError, UnreadableImageError

Channels = Literal["BGR", "RGB"]


def rgb(image: Any, channels: Channels = "BGR") -> NDArray[np.uint8]:
    """Return an image as uint8 ``(height, width, 3)`` RGB.

    Files and Pillow images: EXIF orientation is applied, grey and palette become RGB, alpha is dropped, 16 bits become 8.

    Args:
        image: a path; a Pillow image; or an array, uint8 or uint16, ``(height, width)``, or with 1, 3 or 4 channels last.
        channels: the order of an array's channels, ``BGR`` OpenCV's, or ``RGB``; a fourth is alpha. It is not guessed.

    Raises:
        UnreadableImageError: the file is missing, empty, damaged or in no format that Pillow reads.
        ConfigError: an array is empty, of floating-point values or of another shape; or ``channels`` is unknown.
    """
    if channels not in ("BGR", "RGB"):
        raise ConfigError(f"Unknown order of channels '{channels}': expected BGR (OpenCV's) or RGB.")
    if isinstance(image, str | Path):
        return _from_file(Path(image))
    if isinstance(image, np.ndarray):
        return _from_array(image, channels)
    from PIL import Image, ImageOps

    from miqd_builder.sources.images import rgb_of

    if not isinstance(image, Image.Image):
        raise ConfigError(f"Expected a path, a Pillow image or an array, got {type(image).__name__}.")
    if not image.width or not image.height:
        raise ConfigError(f"An image of {image.width}x{image.height} pixels is empty.")
    return rgb_of(ImageOps.exif_transpose(image), getattr(image, "filename", "") or "of Pillow")


def _from_file(file: Path) -> NDArray[np.uint8]:
    from miqd_builder.sources.images import MAX_PIXELS, decode_image

    try:
        data = file.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"Image '{file}' can't be read ({error.strerror}).") from None
    try:
        return decode_image(data, str(file))
    except UnreadableImageError as error:
        what, too_large, _ = str(error).partition(", more than source.max_pixels")  # a field of run files: there is none here
        if not too_large:
            raise
        raise UnreadableImageError(f"{what}, more than the {MAX_PIXELS} that are read: make it smaller.") from None


def _from_array(image: NDArray[Any], channels: Channels) -> NDArray[np.uint8]:
    if not image.size:
        raise ConfigError(f"An array of shape {image.shape} is no image: it is empty.")
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.dtype != np.uint8:
        raise ConfigError(f"Expected an array of uint8 (0 to 255) or uint16, got {_values(image)}.")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    if image.ndim != 3 or image.shape[2] not in (3, 4):
        raise ConfigError(f"Expected an array of shape (height, width) or with 1, 3 or 4 channels last, got {image.shape}.")
    order = [2, 1, 0] if channels == "BGR" else [0, 1, 2]
    return np.ascontiguousarray(image[..., order])


def _values(image: NDArray[Any]) -> str:
    """Say what is wrong with an array's values."""
    if image.dtype.kind != "f":
        return str(image.dtype)
    if not np.isfinite(image).all():
        return f"{image.dtype} with NaN or infinite values"
    low, high = float(image.min()), float(image.max())
    remedy = "; multiply by 255 and round" if low >= 0 and high <= 1 else ""
    return f"{image.dtype} from {low:g} to {high:g}{remedy}"
