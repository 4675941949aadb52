"""A bare folder of images, with label PNGs for semantic segmentation or without ground truth."""

from __future__ import annotations

from miqd_builder.config import SourceConfig
from miqd_builder.errors import ConfigError
from miqd_builder.sources.base import SourceImage, SourceSet, image_files, some, sorted_images
from miqd_builder.sources.label_maps import IGNORED, LabelMap


def open_folder(config: SourceConfig) -> SourceSet:
    """List the images of a folder.

    With ``labels``, a folder of ``<source_id>.png``, the images have ground truth for task seg (see
    :class:`~miqd_builder.sources.label_maps.LabelMap`). ``category_ids`` lists the pixel values that are classes; in rising
    order they are the models' classes 0, 1, ... by position: ``[0-18]`` for train ids of Cityscapes, ``[1-150]`` for ADE20K,
    whose 0 doesn't count. Without it the values themselves are the classes. An image without a label PNG has no accuracy.

    Raises:
        ConfigError: a folder is missing, holds no image or no label PNG of any image, or ``category_ids`` can't be used.
    """
    files = image_files(config.images)
    if config.labels is None:
        images = [SourceImage(path.stem, path) for path in files]
        return SourceSet(
            sorted_images(images), notes=("No ground truth: consistency only, accuracy and composite stay empty.",)
        )
    maps = _label_maps(config)
    images = [SourceImage(path.stem, path, label_map=maps.get(path.stem)) for path in files]
    bare = [image.path.name for image in images if image.label_map is None]
    if len(bare) == len(images):
        raise ConfigError(
            f"'{config.labels}' has a label PNG of none of the {len(images)} images in '{config.images}': "
            f"expected {images[0].source_id}.png and so on."
        )
    notes = []
    if bare:
        notes.append(f"{len(bare)} of {len(images)} images have no label PNG, their accuracy stays empty: {some(bare)}.")
    unused = sorted(set(maps) - {image.source_id for image in images})
    if unused:
        notes.append(f"{len(unused)} label PNGs are of images that are not in the folder: {some(unused)}.")
    if config.category_ids is None:
        notes.append("Pixel values of the label PNGs count as the models' classes 0, 1, ...: if they don't, set category_ids.")
    return SourceSet(sorted_images(images), config.category_ids, tuple(notes))


def _label_maps(config: SourceConfig) -> dict[str, LabelMap]:
    if config.labels is None or not config.labels.is_dir():
        raise ConfigError(
            f"'{config.labels}' is no folder: for source.kind folder, source.labels is the folder of <source_id>.png, "
            "whose pixels are class numbers."
        )
    ids = config.category_ids
    if ids is not None and (not ids or IGNORED in ids or len(set(ids)) < len(ids)):
        raise ConfigError(f"source.category_ids = {list(ids)}: expected each pixel value once, without {IGNORED} (ignored).")
    return {path.stem: LabelMap(path, ids) for path in config.labels.iterdir() if path.suffix.lower() == ".png"}
