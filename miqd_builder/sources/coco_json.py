"""Read COCO's instances json and check what the rest relies on."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miqd_builder.errors import ConfigError
from miqd_builder.sources.files import some

_NUMBER = (int, float)
_ID = (int, float, str)
_FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "images": {"id": _ID, "file_name": str},
    "annotations": {"id": _ID, "image_id": _ID, "category_id": int, "bbox": list},
    "categories": {"id": int},
}
"""What each list's entries must have, and of which type."""


@dataclass(frozen=True, slots=True)
class Instances:
    """Content of an instances json.

    Attributes:
        images: entries of the images.
        annotations: entries of the annotations by the id of their image, in the order of their ids.
        category_ids: ids of the categories.
    """

    images: list[dict[str, Any]]
    annotations: dict[float | str, list[dict[str, Any]]]
    category_ids: frozenset[int]


def read_instances(path: Path) -> Instances:
    """Read an instances json. Segmentations are taken as they are.

    Raises:
        ConfigError: the file is missing or malformed; the message names the entry.
    """
    content = _load(path)
    for key in _FIELDS:
        _check_list(path, key, content[key])
    rows: defaultdict[float | str, list[dict[str, Any]]] = defaultdict(list)
    for annotation in content["annotations"]:
        if len(annotation["bbox"]) != 4 or not all(isinstance(v, _NUMBER) for v in annotation["bbox"]):
            raise ConfigError(f"Annotation {annotation['id']} has the bbox {annotation['bbox']}: expected x, y, width, height.")
        rows[annotation["image_id"]].append(annotation)
    unknown = sorted(set(rows) - {image["id"] for image in content["images"]}, key=str)
    if unknown:
        raise ConfigError(f"'{path.name}' annotates image ids that it doesn't list: {some(unknown)}.")
    for of_image in rows.values():
        of_image.sort(key=lambda a: (isinstance(a["id"], str), a["id"]))
    return Instances(content["images"], dict(rows), frozenset(category["id"] for category in content["categories"]))


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Annotation file '{path}' can't be read ({error.strerror}): set source.annotations.") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"Annotation file '{path}' is no valid JSON ({error}).") from None
    missing = [key for key in _FIELDS if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if missing:
        raise ConfigError(f"Annotation file '{path}' has no '{missing[0]}': expected a COCO instances json.")
    found: dict[str, Any] = content
    return found


def _check_list(path: Path, key: str, entries: list[Any]) -> None:
    """Refuse entries that lack a field, and ids that are there twice."""
    for place, entry in enumerate(entries, start=1):
        for field, types in _FIELDS[key].items():
            value = entry.get(field) if isinstance(entry, dict) else None
            if not isinstance(value, types):
                raise ConfigError(
                    f"Annotation file '{path}': entry {place} of '{key}' has the {field} {value!r}. Correct or remove it."
                )
    for entry_id, count in Counter(entry["id"] for entry in entries).items():
        if count > 1:
            raise ConfigError(f"Annotation file '{path}' lists the id {entry_id} twice under '{key}'.")
