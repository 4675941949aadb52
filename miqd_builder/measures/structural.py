"""Structural similarity at one scale and at five, through piq."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from miqd_builder.measures.measure import Core, Measure

if TYPE_CHECKING:
    from torch import Tensor


def _build_ssim(device: str, files: Mapping[str, Path]) -> Core:
    import piq

    from miqd_builder.measures.batches import in_portions

    def ssim(degraded: Tensor, reference: Tensor) -> Tensor:
        values = piq.ssim(degraded, reference.expand_as(degraded), data_range=1.0, downsample=False, reduction="none")
        return values.mean(-1) if values.ndim == 2 else values

    return in_portions(ssim, device)


def _build_ms_ssim(device: str, files: Mapping[str, Path]) -> Core:
    import piq

    from miqd_builder.measures.batches import in_portions

    return in_portions(lambda x, y: piq.multi_scale_ssim(x, y.expand_as(x), data_range=1.0, reduction="none"), device)


SSIM = Measure(
    name="ssim",
    reference="full",
    lower_better=False,
    score_range=(-1.0, 1.0),
    minimum_size=11,
    input="RGB in [0, 1] at full resolution, mean of the three channels; windows of 11 (sigma 1.5) that lie inside",
    source="Wang et al., IEEE TIP 13(4), 2004, doi:10.1109/TIP.2003.819861",
    licence="Apache-2.0 (piq)",
    agrees_with="piq.ssim(downsample=False), skimage.metrics.structural_similarity",
    tolerance=1e-4,
    build=_build_ssim,
)
"""At full resolution, as scikit-image and as the column ``ssim`` of earlier runs. The authors' own script, and piq unless told
otherwise, average boxes of max(1, round(min(height, width) / 256)) pixels first: above 384 pixels their values are higher."""

MS_SSIM = Measure(
    name="ms_ssim",
    reference="full",
    lower_better=False,
    score_range=(0.0, 1.0),
    minimum_size=161,
    input="RGB in [0, 1], mean of the three channels; five scales from full resolution on, negative terms cut to 0",
    source="Wang, Simoncelli and Bovik, Asilomar 2003, doi:10.1109/ACSSC.2003.1292216",
    licence="Apache-2.0 (piq)",
    agrees_with="piq.multi_scale_ssim",
    tolerance=1e-4,
    build=_build_ms_ssim,
)
"""Four halvings must leave one window of 11: 10 * 2^4 + 1 pixels."""
