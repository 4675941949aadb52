"""ROI kind ``dino``: where a DINO vision transformer attends to, see :mod:`miqd_builder.roi.self_attention`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError
from miqd_builder.roi.config import RoiConfig
from miqd_builder.sources import SourceImage, SourceSet
from miqd_builder.zoo.entry import Checkpoint, ModelEntry
from miqd_builder.zoo.weights.cache import file_sha256, verified_file

VERSION = 1

DINO = ModelEntry(
    name="roi_dino",
    task="cls",
    backend="timm",
    arch="vit_small_patch16_224.dino",
    checkpoint=Checkpoint(hub="timm/vit_small_patch16_224.dino"),
    license="Apache-2.0",
)
"""The transformer behind ``roi.kind: dino`` where ``roi.path`` names no other weights; ``miqd zoo fetch`` knows its name."""


def check(config: RoiConfig, sources: SourceSet) -> None:
    """Refuse weights that aren't there.

    Raises:
        ConfigError: they are missing, or other ones than expected.
    """
    _weights(config)


def mask(config: RoiConfig, source: SourceImage, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the patches that the transformer attends to.

    Raises:
        ConfigError: the weights are missing, other ones than expected, or no DINO transformer's.
    """
    from miqd_builder.roi.self_attention import dino_mask

    return dino_mask(image, _entry(config))


def content_hash(config: RoiConfig, source: SourceImage) -> str:
    """Return the version of the method and the hash of the weights."""
    return f"dino {VERSION} {file_sha256(_weights(config))}"


def _entry(config: RoiConfig) -> ModelEntry:
    return DINO if config.path is None else DINO.model_copy(update={"checkpoint": Checkpoint(path=config.path)})


def _weights(config: RoiConfig) -> Path:
    """Return the file of DINO's weights, after checking its hash where one is known."""
    if config.path is not None and not config.path.is_file():
        raise ConfigError(
            f"roi.kind 'dino': roi.path '{config.path}' is no file. Give the weights of a DINO vision transformer, or leave it "
            f"out and run: miqd zoo fetch {DINO.name}"
        )
    return verified_file(_entry(config))
