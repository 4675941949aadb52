"""Read photographs as uint8 RGB and write lossless PNG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from miqd_builder.errors import UnreadableImageError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


def decode_image(data: bytes, name: str) -> NDArray[np.uint8]:
    """Decode an image file's bytes into uint8 ``(height, width, 3)`` RGB.

    EXIF orientation is applied. Grayscale, palette and CMYK are converted, an alpha channel is dropped (as torchvision and timm
    do), and 16-bit samples are scaled to 8 bits. Of an animation, the first frame is taken.

    Args:
        data: the file's content.
        name: how errors call the file.

    Raises:
        UnreadableImageError: the data are empty, truncated, of no known format, or of floating-point samples.
    """
    if not data:
        raise UnreadableImageError(f"Image '{name}' is empty (0 bytes): copy it again from its source.")
    try:
        with Image.open(io.BytesIO(data)) as file:
            image = ImageOps.exif_transpose(file)
            image.load()
    except (UnidentifiedImageError, ImportError):
        # ImportError: ultralytics, once imported, replaces Image.open by one that asks for a HEIF package.
        raise UnreadableImageError(f"Image '{name}' is in no format that Pillow reads: convert it to PNG or JPEG.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableImageError(f"Image '{name}' is damaged ({error}): copy it again from its source.") from error
    if image.mode == "F":
        raise UnreadableImageError(f"Image '{name}' has floating-point samples: convert it to 8 or 16 bits.")
    if image.mode.startswith("I"):
        samples = np.asarray(image).astype(np.int64) >> 8
        image = Image.fromarray(np.clip(samples, 0, 255).astype(np.uint8))
    return np.array(image.convert("RGB"), dtype=np.uint8)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode uint8 ``(height, width, 3)`` RGB as PNG, losslessly; the same pixels give the same bytes.

    Stored images are many and read soon: the settings are the fastest that still compress (docs/performance.md).
    """
    import cv2

    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    fast += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
    ok, buffer = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), fast)
    if not ok:
        raise ValueError(f"OpenCV could not encode an array of shape {pixels.shape} and dtype {pixels.dtype} as PNG")
    return buffer.tobytes()


def decode_png(data: bytes) -> NDArray[np.uint8]:
    """Decode a PNG written by :func:`encode_png` into uint8 ``(height, width, 3)`` RGB.

    Raises:
        UnreadableImageError: the data are no readable PNG.
    """
    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if pixels is None:
        raise UnreadableImageError("A stored image is damaged or empty.")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
