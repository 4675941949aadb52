"""Open a source by its kind."""

from __future__ import annotations

from collections.abc import Callable

from miqd_builder.config import SourceConfig
from miqd_builder.sources.base import SourceImage, SourceSet, image_files, sorted_images
from miqd_builder.sources.coco import open_coco
from miqd_builder.sources.imagenet import open_imagenet


def open_folder(config: SourceConfig) -> SourceSet:
    """Open a folder of images without ground truth: their labels hold consistency only."""
    images = sorted_images(SourceImage(path.stem, path) for path in image_files(config.images))
    return SourceSet(images, notes=("No ground truth: consistency only, accuracy and composite stay empty.",))


OPENERS: dict[str, Callable[[SourceConfig], SourceSet]] = {"imagenet": open_imagenet, "coco": open_coco, "folder": open_folder}


def open_source(config: SourceConfig) -> SourceSet:
    """List a source's images with their ground truth; no image is decoded.

    Raises:
        ConfigError: a file is missing or wrong; the message names it and the remedy.
    """
    return OPENERS[config.kind](config)
