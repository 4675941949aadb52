"""Which measures there are, and which of them fall as images get better, as their registered records say."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

PSNR, BYTES = "psnr", "bytes"
_REGISTRY = "miqd_builder.measures.registry"


def known_measures() -> list[str]:
    """Return the names that have a record."""
    registry = _registry()
    return [PSNR] if registry is None else list(registry.MEASURES.names())


def lower_better(measure: str) -> bool | None:
    """Tell whether small values of a measure are good ones; None where it has no record."""
    registry = _registry()
    if registry is None or measure not in registry.MEASURES:
        return False if measure == PSNR else None
    return bool(registry.find_measure(measure).lower_better)


def _registry() -> Any:
    """The module of the records; None in an installation without it, which knows PSNR alone."""
    return importlib.import_module(_REGISTRY) if importlib.util.find_spec(_REGISTRY) else None
