"""Open a source by its kind."""

from __future__ import annotations

from collections.abc import Callable

from miqd_builder.config import SourceConfig
from miqd_builder.errors import ConfigError
from miqd_builder.sources.base import SourceSet
from miqd_builder.sources.coco import open_coco
from miqd_builder.sources.folder import open_folder
from miqd_builder.sources.imagenet import open_imagenet

OPENERS: dict[str, Callable[[SourceConfig], SourceSet]] = {"imagenet": open_imagenet, "coco": open_coco, "folder": open_folder}


def open_source(config: SourceConfig) -> SourceSet:
    """List a source's images with their ground truth; no image is decoded.

    Raises:
        ConfigError: a file is missing or wrong; the message names it and the remedy.
    """
    if config.category_ids is not None and (config.kind != "folder" or config.labels is None):
        raise ConfigError(
            "source.category_ids says what label PNGs hold: use it with source.kind folder and source.labels, their folder."
        )
    return OPENERS[config.kind](config)
