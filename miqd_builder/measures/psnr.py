"""Peak signal-to-noise ratio, exact."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path

import numpy as np

from degradations.quality import unchecked_psnr
from miqd_builder.measures.measure import Core, Images, Measure, Values


def _psnr(degraded: Images, reference: Images) -> Values:
    """Return ``10 log10(255^2 / MSE)`` in dB, the column ``psnr`` of variants; infinite for identical images."""
    images = np.ascontiguousarray(degraded)
    references = np.broadcast_to(np.ascontiguousarray(reference), images.shape)
    return np.array([unchecked_psnr(one, other) for one, other in zip(images, references, strict=True)])


def _build(device: str, files: Mapping[str, Path]) -> Core:
    return _psnr


PSNR = Measure(
    name="psnr",
    reference="full",
    lower_better=False,
    score_range=(0.0, inf),
    minimum_size=1,
    input="RGB 0..255 at full resolution, one MSE over all channels; integers, so exact",
    source="Huynh-Thu and Ghanbari, Electronics Letters 44(13), 2008, doi:10.1049/el:20080522",
    licence="Apache-2.0",
    agrees_with="skimage.metrics.peak_signal_noise_ratio",
    tolerance=1e-9,
    build=_build,
)
