"""Names of the classes and categories of a source, where its files give them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from typing import Any

from miqd_builder.sources.config import SourceConfig


def class_names(source: SourceConfig) -> dict[int, str]:
    """Return names by class index or category id; none where the source's files have none.

    Categories are named by the annotation file. Classes are named by a column ``name`` of the label file; where its column
    ``wnid``, or the class folders, say that they are ImageNet's 1000, by WordNet; by their class folders otherwise.

    Args:
        source: of the run file.
    """
    try:
        if source.annotations is not None and source.kind != "imagenet":  # there they may give the ROI
            return _categories(json.loads(source.annotations.read_text(encoding="utf-8")))
        if source.kind == "imagenet" and source.labels is None:
            return _folders(sorted(p.name for p in source.images.iterdir() if p.is_dir() and not p.name.startswith(".")))
        if source.labels is not None and source.labels.suffix == ".csv":
            rows = list(csv.DictReader(source.labels.read_text(encoding="utf-8-sig").splitlines()))
            return _named(rows) or _imagenet((row.get("wnid"), int(row["label"])) for row in rows)
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # the source is gone or of another package: classes are shown by their numbers
    return {}


def name_of(names: Mapping[int, str], index: int) -> str:
    """Return a class's name, or its number."""
    return names.get(index, f"class {index}")


def _categories(content: dict[str, list[dict[str, Any]]]) -> dict[int, str]:
    return {int(one["id"]): str(one["name"]) for one in content["categories"] if one.get("name")}


def _named(rows: list[dict[str, str]]) -> dict[int, str]:
    return {int(row["label"]): row["name"] for row in rows if row.get("name")}


def _folders(names: list[str]) -> dict[int, str]:
    wnids = _wnids()
    if set(names) <= set(wnids):
        return _imagenet((name, wnids[name]) for name in names)
    return dict(enumerate(names))


def _imagenet(labels: Iterable[tuple[str | None, int]]) -> dict[int, str]:
    """Names of ImageNet's 1000 classes, if every label is the index of its WordNet id; else none."""
    known = list(labels)
    if not known or any(wnid is None for wnid, _ in known):
        return {}
    from timm.data.imagenet_info import ImageNetInfo  # torch comes with it

    wnids = _wnids()
    if any(wnids.get(str(wnid)) != index for wnid, index in known):
        return {}
    info = ImageNetInfo("imagenet-1k")
    return {index: str(info.index_to_description(index)).split(",")[0] for index in wnids.values()}


def _wnids() -> dict[str, int]:
    from timm.data.imagenet_info import ImageNetInfo

    return {str(wnid): index for index, wnid in enumerate(ImageNetInfo("imagenet-1k").label_names())}
