"""A bare folder of images, with label PNGs for semantic segmentation or without ground truth."""

from __future__ import annotations

from collections.abc import Sequence

from miqd_builder.errors import ConfigError
from miqd_builder.sources.base import SourceSet, sorted_images, source_image
from miqd_builder.sources.config import SourceConfig
from miqd_builder.sources.files import NamedFile, files_below, image_files, left_out, nothing_left, some, usable
from miqd_builder.sources.label_maps import IGNORED, LabelMap
from miqd_builder.sources.registry import SourceKind, refuse_category_ids


def open_folder(config: SourceConfig) -> SourceSet:
    """List the images of a folder.

    With ``labels``, a folder of ``<source_id>.png``, the images have ground truth for task seg (see
    :class:`~miqd_builder.sources.label_maps.LabelMap`). ``category_ids`` lists the pixel values that are classes; in rising
    order they are the models' classes 0, 1, ... by position: ``[0-18]`` for train ids of Cityscapes, ``[1-150]`` for ADE20K,
    whose 0 doesn't count. Without it the values themselves are the classes. An image without a label PNG has no accuracy.
    With ``recursive``, label PNGs may also lie in subfolders of the same names as the images'.

    Raises:
        ConfigError: a folder is missing, holds no image or no label PNG of any image, or ``category_ids`` can't be used.
    """
    if config.labels is None:
        refuse_category_ids(config)
    found = image_files(config.images, recursive=config.recursive)
    files, refused = usable(found)
    if not files:
        raise nothing_left(config.images, refused)
    maps: dict[str, LabelMap] = {}
    notes = ["No ground truth: consistency only, accuracy and composite stay empty."]
    if config.labels is not None:
        maps = _label_maps(config)
        notes = _label_notes(config, files, maps, unused=sorted(set(maps) - {file.source_id for file in found}))
    return SourceSet(
        sorted_images(source_image(file, maps.get(file.source_id), config.max_pixels) for file in files),
        config.category_ids,
        (*notes, *left_out(refused)),
        refused=tuple(refused),
    )


def _label_maps(config: SourceConfig) -> dict[str, LabelMap]:
    if config.labels is None or not config.labels.is_dir():
        raise ConfigError(
            f"'{config.labels}' is no folder: for source.kind folder, source.labels is the folder of <source_id>.png, "
            "whose pixels are class numbers."
        )
    ids = config.category_ids
    if ids is not None and (not ids or IGNORED in ids or len(set(ids)) < len(ids)):
        raise ConfigError(f"source.category_ids = {list(ids)}: expected each pixel value once, without {IGNORED} (ignored).")
    files = files_below(config.labels, {".png"}, recursive=config.recursive)
    return {file.source_id: LabelMap(file.path, ids) for file in files}


def _label_notes(
    config: SourceConfig, files: Sequence[NamedFile], maps: dict[str, LabelMap], unused: Sequence[str]
) -> list[str]:
    bare = [file.name for file in files if file.source_id not in maps]
    if len(bare) == len(files):
        raise ConfigError(
            f"'{config.labels}' has a label PNG of none of the {len(files)} images in '{config.images}': "
            f"expected {files[0].source_id}.png and so on."
        )
    notes = []
    if bare:
        notes.append(f"{len(bare)} of {len(files)} images have no label PNG, their accuracy stays empty: {some(bare)}.")
    if unused:
        notes.append(f"{len(unused)} label PNGs are of images that are not in the folder: {some(unused)}.")
    if config.category_ids is None:
        notes.append("Pixel values of the label PNGs count as the models' classes 0, 1, ...: if they don't, set category_ids.")
    return notes


FOLDER = SourceKind(open_folder)
