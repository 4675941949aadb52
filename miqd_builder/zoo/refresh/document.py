"""Write the zoo files that ship."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from miqd_builder.zoo.refresh.choice import Choice, choices
from miqd_builder.zoo.refresh.classifiers import timm_fields, torchvision_fields
from miqd_builder.zoo.refresh.openmmlab import openmmlab_fields
from miqd_builder.zoo.refresh.yolo import ultralytics_fields

FIELDS: Mapping[str, Callable[[Choice], dict[str, Any]]] = {
    "timm": timm_fields,
    "torchvision": torchvision_fields,
    "mmpretrain": openmmlab_fields,
    "mmdet": openmmlab_fields,
    "ultralytics": ultralytics_fields,
}
"""Where the facts of each back end's models come from."""

ORDER = ("name", "task", "backend", "config", "arch", "checkpoint", "metric", "license", "params", "input_size", "family")
"""Order of an entry's fields; paper and note are the last."""

HEADER = """\
# The models of MIQD-2.5M for task {task}. Written by `make zoo-refresh` from the installed packages and
# miqd_builder/zoo/refresh/chosen.yaml: change the choice there. The hashes are those that the published file names carry.
"""


def zoo_documents() -> dict[str, str]:
    """Return the content of each zoo file by its name, such as ``cls.yaml``."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for choice in choices():
        entries.setdefault(choice.task, []).append(_entry(choice))
    return {f"{task}.yaml": HEADER.format(task=task) + _dump(models) for task, models in entries.items()}


def _entry(choice: Choice) -> dict[str, Any]:
    fields = FIELDS[choice.backend](choice)
    notes = [note for note in (choice.note, fields.pop("note", None)) if note]
    fields |= {name: getattr(choice, name) for name in ("task", "backend", "params", "family", "paper")}
    entry = {name: fields[name] for name in (*ORDER, "paper") if name in fields}
    return entry | ({"note": "; ".join(notes)} if notes else {})


def _dump(models: list[dict[str, Any]]) -> str:
    return yaml.safe_dump({"models": models}, sort_keys=False, default_flow_style=None, width=125, allow_unicode=True)
