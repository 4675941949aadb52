"""Quality models that predict, from pixels alone, what a degradation does to vision models.

The public names below are imported when they are first used, so that ``import machine_iqa`` takes no time and no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from machine_iqa.camera import RealTimeIQA
    from machine_iqa.model import MIQAModel, batch_assess, create_model, list_models
    from machine_iqa.video import VideoMIQA
    from miqd_builder.errors import MiqdError

__all__ = ["MIQAModel", "MiqdError", "RealTimeIQA", "VideoMIQA", "batch_assess", "create_model", "list_models"]

_HOMES = {
    "MiqdError": "miqd_builder.errors",
    "RealTimeIQA": "machine_iqa.camera",
    "VideoMIQA": "machine_iqa.video",
}
"""Modules of the public names; the others are in :mod:`machine_iqa.model`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        from miqd_builder.errors import did_you_mean

        raise AttributeError(f"module 'machine_iqa' has no attribute '{name}'.{did_you_mean(name, __all__)}")
    value = getattr(importlib.import_module(_HOMES.get(name, "machine_iqa.model")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
