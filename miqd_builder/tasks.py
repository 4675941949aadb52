"""The vision tasks of models. In this project a task is one of these four, never a piece of work (that is a work item)."""

from __future__ import annotations

from typing import Literal, get_args

from miqd_builder.errors import ConfigError, did_you_mean

Task = Literal["cls", "det", "ins", "seg"]
"""Image classification, object detection, instance segmentation, semantic segmentation."""

TASKS: tuple[Task, ...] = get_args(Task)


def check_task(name: str) -> Task:
    """Return the task of this name.

    Raises:
        ConfigError: there is none.
    """
    for task in TASKS:
        if task == name:
            return task
    raise ConfigError(f"Unknown task '{name}': expected one of {', '.join(TASKS)}.{did_you_mean(name, TASKS)}")
