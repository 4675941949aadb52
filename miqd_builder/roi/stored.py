"""ROI masks that a run folder keeps: ``roi/<source_id>.png``, 1 bit a pixel, with what they were made from inside the file."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from miqd_builder.roi.config import RoiConfig
from miqd_builder.roi.registry import roi_hash, roi_mask
from miqd_builder.sources import SourceImage

KEY = "miqd:roi"
"""Keyword of the PNG's text chunk that holds what the mask was made from."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Folder(Protocol):
    """What this module needs of a run folder."""

    def read(self, name: str) -> bytes:
        """Return a file's content; FileNotFoundError where there is none."""

    def write(self, name: str, data: bytes, *, flush: bool = True) -> None:
        """Write a file in whole or not at all."""


def mask_path(source_id: str) -> str:
    """Return where a source's mask lies in the run folder."""
    return f"roi/{source_id}.png"


def source_mask(
    folder: Folder, config: RoiConfig, source: SourceImage, image: NDArray[np.uint8], *, keep: bool = False
) -> NDArray[np.uint8]:
    """Return a source's mask: the stored one where it was made from what is there now, else a new one.

    Args:
        folder: the run folder.
        config: where masks come from.
        source: the image's source.
        image: its pixels, uint8 ``(height, width, 3)``.
        keep: whether a new mask is stored.

    Returns:
        uint8 ``(height, width)`` of 0 (background) and 255 (ROI).

    Raises:
        UnreadableImageError, ConfigError: as for :func:`miqd_builder.roi.roi_mask`.
        StoreError: the folder can't be read or written.
    """
    made_from = _made_from(config, source, image)
    stored = read_mask(folder, source.source_id, made_from)
    if stored is not None:
        return stored
    mask = roi_mask(config, source, image)
    if keep:
        folder.write(mask_path(source.source_id), encode_mask(mask, made_from), flush=False)
    return mask


def read_mask(folder: Folder, source_id: str, made_from: str) -> NDArray[np.uint8] | None:
    """Return a source's stored mask; None where there is none, it was made from something else, or it is damaged."""
    try:
        mask, found = decode_mask(folder.read(mask_path(source_id)))
    except (FileNotFoundError, ValueError):
        return None
    return mask if found == made_from else None


def encode_mask(mask: NDArray[np.uint8], made_from: str) -> bytes:
    """Return a mask, uint8 ``(height, width)`` of 0 and 255, as a PNG of 1 bit a pixel; the same mask gives the same bytes.

    Args:
        mask: the mask.
        made_from: kept in the file.
    """
    facts = PngImagePlugin.PngInfo()
    facts.add_text(KEY, made_from)
    file = io.BytesIO()
    Image.fromarray(mask == 255).save(file, "png", pnginfo=facts)
    return file.getvalue()


def decode_mask(data: bytes) -> tuple[NDArray[np.uint8], str]:
    """Return a stored mask, uint8 ``(height, width)`` of 0 and 255, and what it was made from.

    Raises:
        ValueError: the data are no such PNG, or a bit of them is not as it was written.
    """
    _check_chunks(data)
    try:
        with Image.open(io.BytesIO(data), formats=["png"]) as picture:
            picture.load()
            made_from, mode = str(picture.info.get(KEY, "")), picture.mode
            bits = np.array(picture)
    except Exception as error:  # Pillow raises almost anything for damaged bytes
        raise ValueError(f"no PNG: {error}") from error
    if mode != "1":
        raise ValueError(f"a PNG of mode {mode}, expected 1 bit a pixel")
    return np.where(bits, np.uint8(255), np.uint8(0)).astype(np.uint8), made_from


def _check_chunks(data: bytes) -> None:
    """Refuse a PNG with a chunk that is cut off or has another checksum than it states: decoders don't look at all of them."""
    at, kind = len(_SIGNATURE), b""
    if not data.startswith(_SIGNATURE):
        raise ValueError("no PNG")
    while kind != b"IEND":
        try:
            length, kind = struct.unpack_from(">I4s", data, at)
            (stated,) = struct.unpack_from(">I", data, at + 8 + length)
        except struct.error:
            raise ValueError("a PNG that is cut off") from None
        if zlib.crc32(data[at + 4 : at + 8 + length]) != stated:
            raise ValueError(f"a PNG whose chunk {kind!r} is damaged")
        at += 12 + length
    if at != len(data):
        raise ValueError("a PNG with something behind its end")


def _made_from(config: RoiConfig, source: SourceImage, image: NDArray[np.uint8]) -> str:
    """What decides a mask: how it is found, and the pixels."""
    pixels = hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()
    return f"{roi_hash(config, source)} pixels {image.shape[1]}x{image.shape[0]} {pixels}"
