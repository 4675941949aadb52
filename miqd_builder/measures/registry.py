"""The measures by name: those that ship, and those that installed packages announce."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from miqd_builder.errors import ConfigError
from miqd_builder.measures.measure import Measure, Scorer
from miqd_builder.registry import Registry

MEASURES: Registry[Measure] = Registry(
    "measure",
    "miqd.measures",
    {
        "psnr": "miqd_builder.measures.psnr:PSNR",
        "ssim": "miqd_builder.measures.structural:SSIM",
        "ms_ssim": "miqd_builder.measures.structural:MS_SSIM",
        "vsi": "miqd_builder.measures.feature_maps:VSI",
        "fsim": "miqd_builder.measures.feature_maps:FSIM",
        "gmsd": "miqd_builder.measures.feature_maps:GMSD",
        "vif": "miqd_builder.measures.feature_maps:VIF",
        "haarpsi": "miqd_builder.measures.feature_maps:HAARPSI",
        "mdsi": "miqd_builder.measures.feature_maps:MDSI",
        "lpips_alex": "miqd_builder.measures.lpips:LPIPS_ALEX",
        "lpips_vgg": "miqd_builder.measures.lpips:LPIPS_VGG",
        "lpips_squeeze": "miqd_builder.measures.lpips:LPIPS_SQUEEZE",
        "dists": "miqd_builder.measures.dists:DISTS",
        "brisque": "miqd_builder.measures.brisque:BRISQUE",
        "niqe": "miqd_builder.measures.niqe:NIQE",
        "bytes": "miqd_builder.measures.png_size:BYTES",
        "hyperiqa": "miqd_builder.measures.pyiqa_extra:HYPERIQA",
        "maniqa": "miqd_builder.measures.pyiqa_extra:MANIQA",
        "musiq": "miqd_builder.measures.pyiqa_extra:MUSIQ",
        "topiq": "miqd_builder.measures.pyiqa_extra:TOPIQ",
    },
)
"""Measures by name; a package adds one with an entry point of group ``miqd.measures`` that is a :class:`Measure`."""


def list_measures(pattern: str = "*") -> list[str]:
    """Return the names that fit a pattern, in the registry's order.

    >>> list_measures("lpips_*")
    ['lpips_alex', 'lpips_vgg', 'lpips_squeeze']
    """
    return [name for name in MEASURES.names() if fnmatchcase(name, pattern)]


def find_measure(name: str | Measure) -> Measure:
    """Return a measure's record; a record that isn't in the registry, such as a quality model's, is returned as it is.

    Raises:
        ConfigError: there is none of that name (names the nearest), or another package's is no record.
    """
    if isinstance(name, Measure):
        return name
    measure = MEASURES.fresh(name)
    if not isinstance(measure, Measure) or measure.name != name:
        raise ConfigError(f"Measure '{name}' of another package is {measure!r}: expected a Measure of that name.")
    return measure


def create_measure(name: str, device: str = "cpu", own_weights: Sequence[Path] = ()) -> Scorer:
    """Return the function that computes a measure, see :meth:`Measure.create`.

    >>> import numpy as np
    >>> image = np.zeros((16, 16, 3), np.uint8)
    >>> create_measure("psnr")(np.stack([image, image + 255]), image).tolist()
    [inf, 0.0]

    Raises:
        ConfigError: there is none of that name, or it can't be computed here.
    """
    return find_measure(name).create(device, own_weights)
