"""The models that were chosen for the zoo files that ship, as written down in ``chosen.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

FILE = Path(__file__).with_name("chosen.yaml")


class Choice(BaseModel):
    """One model, and what the installed packages don't say about it.

    Attributes:
        task: cls, det or ins.
        backend: of the zoo entry.
        model: what the back end calls it (see ``chosen.yaml``).
        family: kind of architecture.
        paper: whether the paper names it.
        params: parameters, in millions.
        top1, measured_at: a classifier's accuracy in percent, and the side of the images in pixels that it was measured at.
        box_AP, mask_AP: of a detector and an instance segmenter on COCO val2017, in percent.
        note: for the reader of the entry.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Literal["cls", "det", "ins"]
    backend: Literal["timm", "torchvision", "mmpretrain", "mmdet", "ultralytics"]
    model: str
    family: str
    paper: Literal["listed", "chosen"]
    params: float
    top1: float | None = None
    measured_at: int | None = None
    box_AP: float | None = None
    mask_AP: float | None = None
    note: str | None = None


def choices() -> list[Choice]:
    """Return the chosen models, task by task."""
    document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return [Choice(task=task, **fields) for task, models in document.items() for fields in models]
