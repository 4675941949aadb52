"""Size as PNG: a baseline that looks at no reference and knows nothing of quality."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path

import numpy as np

from miqd_builder.measures.measure import Core, Images, Measure, Values
from miqd_builder.sources.png import encode_png_portably


def _bytes(degraded: Images, reference: Images) -> Values:
    """Return the size of each image as PNG, by the encoder whose files are the same on any CPU."""
    return np.array([len(encode_png_portably(image)) for image in degraded], np.float64)


def _build(device: str, files: Mapping[str, Path]) -> Core:
    return _bytes


BYTES = Measure(
    name="bytes",
    reference="none",
    lower_better=False,
    score_range=(0.0, inf),
    minimum_size=1,
    input="RGB 0..255 at full resolution, as miqd_builder.sources.png.encode_png_portably writes it",
    source="a trivial baseline: what is left of an image's detail, and what noise adds to it",
    licence="Apache-2.0",
    agrees_with="the file that OpenCV writes (level 1, RLE, filter up)",
    tolerance=0.0,
    build=_build,
)
