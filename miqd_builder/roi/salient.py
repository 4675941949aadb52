"""ROI kind ``salient``: the objects that a salient object network finds, see :mod:`miqd_builder.roi.salient_network`."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from miqd_builder.roi.config import RoiConfig
from miqd_builder.roi.salient_models import salient_model
from miqd_builder.sources import SourceImage, SourceSet
from miqd_builder.zoo.weights.cache import place

VERSION = 1
"""Raise it when the code changes so that the same network gives other masks."""


def check(config: RoiConfig, sources: SourceSet) -> None:
    """Refuse a network that can't be run.

    Raises:
        ConfigError: it is unknown, missing or another one than expected, or onnxruntime is not installed.
    """
    from miqd_builder.roi.salient_network import open_network

    open_network(salient_model(config))


def mask(config: RoiConfig, source: SourceImage, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the salient objects.

    Raises:
        ConfigError: as for :func:`check`.
    """
    from miqd_builder.roi.salient_network import salient_mask

    return salient_mask(image, salient_model(config))


def content_hash(config: RoiConfig, source: SourceImage) -> str:
    """Return the version of the method and the hashes of the network and of what is done before and after it."""
    model = salient_model(config)
    return f"salient {VERSION} {model.sha256()} {model.method()}"


def what_is_missing(config: RoiConfig) -> str | None:
    """Return what a mask can't be had without, in words; None if all is there (right or wrong)."""
    if find_spec("onnxruntime") is None:
        return "the package onnxruntime is not installed"
    file = place(salient_model(config).checkpoint)
    return None if file.is_file() else f"the network '{salient_model(config).name}' is not there ({file})"
