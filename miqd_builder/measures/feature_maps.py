"""Similarity of hand-made features (gradients, phase congruency, saliency, wavelets, information), through piq.

Those that reduce the image first average boxes of ``max(1, round(min(height, width) / 256))`` pixels (VSI, FSIM, MDSI) or of 2
(GMSD, HaarPSI): the authors' own choices, kept by piq. Gray is the Y of YIQ, ``.299 R + .587 G + .114 B``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from miqd_builder.measures.measure import Core, Measure


def _build(function: str, device: str, files: Mapping[str, Path]) -> Core:
    import piq

    from miqd_builder.measures.batches import in_portions

    compute: Callable[..., Any] = getattr(piq, function)
    return in_portions(lambda x, y: compute(x, y.expand_as(x), data_range=1.0, reduction="none").flatten(), device)


_full_reference = partial(Measure, reference="full", licence="Apache-2.0 (piq)", tolerance=1e-4)

VSI = _full_reference(
    name="vsi",
    lower_better=False,
    score_range=(0.0, 1.0),
    minimum_size=3,
    input="RGB 0..255, reduced to about 256 pixels; SDSP saliency from Lab at 256x256; LMN for gradients and chroma",
    source="Zhang, Shen and Li, IEEE TIP 23(10), 2014, doi:10.1109/TIP.2014.2346028",
    agrees_with="piq.vsi",
    build=partial(_build, "vsi"),
)
"""Sum of S_saliency S_gradient^.4 S_chroma^.02, weighted by saliency. The Scharr filter is 3 pixels wide."""

FSIM = _full_reference(
    name="fsim",
    lower_better=False,
    score_range=(0.0, 1.0),
    minimum_size=48,
    input="RGB 0..255, reduced to about 256 pixels; phase congruency and gradient of Y, chroma from I and Q (FSIMc)",
    source="Zhang et al., IEEE TIP 20(8), 2011, doi:10.1109/TIP.2011.2109730",
    agrees_with="piq.fsim",
    build=partial(_build, "fsim"),
)
"""With chroma, FSIMc. Its longest wave has 6 * 2^3 pixels: a smaller image holds none of it."""

GMSD = _full_reference(
    name="gmsd",
    lower_better=True,
    score_range=(0.0, 0.5),
    minimum_size=6,
    input="Y in [0, 1], averaged in boxes of 2",
    source="Xue et al., IEEE TIP 23(2), 2014, doi:10.1109/TIP.2013.2293423",
    agrees_with="piq.gmsd",
    build=partial(_build, "gmsd"),
)
"""Standard deviation of the similarity of Prewitt gradients (3 pixels wide, on half the size)."""

VIF = _full_reference(
    name="vif",
    lower_better=False,
    score_range=(0.0, inf),
    minimum_size=41,
    input="Y 0..255 at full resolution, four scales (the pixel domain version, VIFp)",
    source="Sheikh and Bovik, IEEE TIP 15(2), 2006, doi:10.1109/TIP.2005.859378",
    agrees_with="piq.vif_p",
    build=partial(_build, "vif_p"),
)
"""Share of the reference's information that is left; above 1 where contrast was raised."""

HAARPSI = _full_reference(
    name="haarpsi",
    lower_better=False,
    score_range=(0.0, 1.0),
    minimum_size=16,
    input="YIQ 0..255, averaged in boxes of 2; Haar wavelets of three scales",
    source="Reisenhofer et al., Signal Processing: Image Communication 61, 2018, doi:10.1016/j.image.2017.11.001",
    agrees_with="piq.haarpsi",
    build=partial(_build, "haarpsi"),
)

MDSI = _full_reference(
    name="mdsi",
    lower_better=True,
    score_range=(0.0, inf),
    minimum_size=3,
    input="RGB 0..255, reduced to about 256 pixels; gradients of luma, two chroma channels",
    source="Ziaei Nafchi et al., IEEE Access 4, 2016, doi:10.1109/ACCESS.2016.2604042",
    agrees_with="piq.mdsi",
    build=partial(_build, "mdsi"),
)
"""Deviation of gradient and chroma similarity, pooled to the power of 1/4."""
