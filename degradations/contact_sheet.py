"""One picture of what the degradations do to an image: ten distortions in five severities, and a grid of region blends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

import degradations

Picture = NDArray[np.uint8]

_THUMBNAIL = 180
"""Longer side of a thumbnail in pixels."""

_GAP, _CAPTION, _LABEL = 6, 18, 150
"""Pixels between thumbnails, height of a caption, width of the column of labels."""

_PAPER, _INK = 255, (40, 40, 40)


@dataclass(frozen=True, slots=True)
class _Cell:
    picture: Picture
    caption: str


def contact_sheet(
    image: Picture, mask: Picture, *, source_id: str, seed: int = 0, grid_distortion: str = "defocus_blur"
) -> Picture:
    """Return a labelled sheet for one image.

    The upper part has a row for each of the ten distortions with severities 1..5; the lower part blends one distortion's
    severity in the ROI (rows) with its severity in the background (columns), the uniform ones on the diagonal.

    Args:
        image: uint8 ``(height, width, 3)`` RGB.
        mask: uint8 ``(height, width)``, 255 in the ROI and 0 elsewhere.
        source_id: name of the image; random draws depend on it, so the sheet shows what a run would store.
        seed: of the run.
        grid_distortion: distortion of the lower part.

    Returns:
        uint8 ``(height, width, 3)`` RGB.

    Raises:
        degradations.DegradationError: an argument is not as described, or the distortion is unknown.
    """
    severities = degradations.SEVERITIES
    blends = [[_pair(grid_distortion, roi, background) for background in severities] for roi in severities]
    uniform = [[f"{name}_{severity}" for severity in severities] for name in degradations.MIQD_DISTORTIONS]
    wanted = dict.fromkeys(name for row in uniform + blends for name in row)
    variants = degradations.render(image, mask, source_id=source_id, seed=seed, names=wanted)
    cells = {variant.degradation.name: _variant_cell(variant) for variant in variants}

    sources = [
        _Cell(_thumbnail(image), f"{image.shape[1]}x{image.shape[0]}"),
        _Cell(_thumbnail(_outlined(image, mask)), f"ROI: {100 * (mask > 0).mean():.0f} % of it"),
    ]
    rows = [_row(source_id, sources)]
    rows += [_row(names[0].removesuffix("_1"), [cells[name] for name in names]) for names in uniform]
    rows += [_row(f"{grid_distortion}:", [])]
    rows += [_row(f"ROI {roi}", [cells[name] for name in names]) for roi, names in zip(severities, blends, strict=True)]
    width = max(row.shape[1] for row in rows)
    return np.vstack([_widened(row, width) for row in rows])


def _pair(distortion: str, roi: int, background: int) -> str:
    if roi == background:
        return f"{distortion}_{roi}"
    side = "fg" if roi > background else "bg"
    return f"{distortion}_{side}_stronger_fg{roi}_bg{background}"


def _variant_cell(variant: degradations.Variant) -> _Cell:
    facts = variant.degradation
    place = (
        f"{facts.roi_severity}" if facts.region == "uniform" else f"ROI {facts.roi_severity}, background {facts.bg_severity}"
    )
    return _Cell(_thumbnail(variant.pixels), f"{place}: {variant.psnr:.1f} dB")


def _thumbnail(image: Picture) -> Picture:
    height, width = image.shape[:2]
    scale = _THUMBNAIL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def _outlined(image: Picture, mask: Picture) -> Picture:
    """Return a copy with the edge of the mask in red, about a pixel wide in the thumbnail."""
    thickness = max(1, round(max(image.shape[:2]) / _THUMBNAIL))
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(image.copy(), outlines, -1, (255, 0, 0), thickness), np.uint8)


def _row(label: str, cells: Sequence[_Cell]) -> Picture:
    """Return a strip: the label, then the thumbnails with their captions below."""
    height = max((cell.picture.shape[0] for cell in cells), default=0) + _CAPTION + _GAP
    strip = _blank(height, _LABEL)
    _write(strip, label, 0.5, (_GAP, height // 2))
    parts = [strip]
    for cell in cells:
        tile = _blank(height, _THUMBNAIL + _GAP)
        rows, columns = cell.picture.shape[:2]
        tile[:rows, :columns] = cell.picture
        _write(tile, cell.caption, 0.4, (2, rows + _CAPTION - 6))
        parts.append(tile)
    return np.hstack(parts)


def _blank(height: int, width: int) -> Picture:
    return np.full((height, width, 3), _PAPER, np.uint8)


def _widened(strip: Picture, width: int) -> Picture:
    return np.hstack([strip, _blank(strip.shape[0], width - strip.shape[1])])


def _write(picture: Picture, text: str, size: float, place: tuple[int, int]) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)
