"""Build databases of degraded images labelled by what they do to vision models.

The public names below are imported when they are first used, so that ``import miqd_builder as mb`` takes no time and no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from miqd_builder.errors import MiqdError
    from miqd_builder.labeling.average_precision import image_ap
    from miqd_builder.labeling.one_source import score
    from miqd_builder.tables.run import Run, open_run
    from miqd_builder.zoo.models import create_model, list_models
    from pipelines.api import (
        assess,
        audit,
        benchmark,
        check_publication,
        compare,
        degrade,
        evaluate,
        explore,
        export,
        import_labels,
        label,
        label_statistics,
        measure,
        publish,
        status,
        train,
        verify,
    )

__version__ = "0.1.0"

__all__ = [
    "MiqdError",
    "Run",
    "__version__",
    "assess",
    "audit",
    "benchmark",
    "check_publication",
    "compare",
    "create_model",
    "degrade",
    "evaluate",
    "explore",
    "export",
    "image_ap",
    "import_labels",
    "label",
    "label_statistics",
    "list_models",
    "measure",
    "open_run",
    "publish",
    "score",
    "status",
    "train",
    "verify",
]

_HOMES = {
    "MiqdError": "miqd_builder.errors",
    "Run": "miqd_builder.tables.run",
    "create_model": "miqd_builder.zoo.models",
    "image_ap": "miqd_builder.labeling.average_precision",
    "list_models": "miqd_builder.zoo.models",
    "open_run": "miqd_builder.tables.run",
    "score": "miqd_builder.labeling.one_source",
}
"""Modules of the public names; the others are commands, which :mod:`pipelines.api` has."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        from miqd_builder.errors import did_you_mean

        raise AttributeError(f"module 'miqd_builder' has no attribute '{name}'.{did_you_mean(name, __all__)}")
    value = getattr(importlib.import_module(_HOMES.get(name, "pipelines.api")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
