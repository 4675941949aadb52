"""Names of the classes and categories of a source, where its files give them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping

from miqd_builder.errors import ConfigError
from miqd_builder.sources.config import SourceConfig


def class_names(source: SourceConfig) -> dict[int, str]:
    """Return names by class index or category id; none where the source's files have none.

    Categories are named by the annotation file. Classes are named by a column ``name`` of the label file, or, where its column
    ``wnid`` says that they are ImageNet's 1000, by WordNet.

    Args:
        source: of the run file.
    """
    try:
        if source.annotations is not None:
            return _categories(json.loads(source.annotations.read_text(encoding="utf-8")))
        if source.labels is not None and source.labels.suffix == ".csv":
            rows = list(csv.DictReader(source.labels.read_text(encoding="utf-8-sig").splitlines()))
            return _named(rows) or _imagenet(rows)
    except (OSError, ValueError, KeyError, TypeError, ConfigError):
        return {}  # a source that is gone or changed; its pictures are drawn with numbers
    return {}


def name_of(names: Mapping[int, str], index: int) -> str:
    """Return a class's name, or its number."""
    return names.get(index, f"class {index}")


def _categories(content: dict[str, list[dict[str, object]]]) -> dict[int, str]:
    return {int(str(one["id"])): str(one["name"]) for one in content["categories"] if "name" in one}


def _named(rows: list[dict[str, str]]) -> dict[int, str]:
    return {int(row["label"]): row["name"] for row in rows if row.get("name")}


def _imagenet(rows: list[dict[str, str]]) -> dict[int, str]:
    """Names of all of ImageNet's classes, if every label of the file is the index of its WordNet id."""
    if not rows or not all(row.get("wnid") for row in rows):
        return {}
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    index = {str(info.index_to_label_name(i)): i for i in range(info.num_classes())}
    if any(index.get(row["wnid"]) != int(row["label"]) for row in rows):
        return {}
    return {i: str(info.index_to_description(i)).split(",")[0] for i in range(info.num_classes())}
