"""Which measures there are, and which of them fall as images get better, as their registered records say."""

from __future__ import annotations

from miqd_builder.measures.registry import MEASURES, find_measure

PSNR, BYTES = "psnr", "bytes"


def known_measures() -> list[str]:
    """Return the names that have a record."""
    return MEASURES.names()


def lower_better(measure: str) -> bool | None:
    """Tell whether small values of a measure are good ones; None where it has no record."""
    return find_measure(measure).lower_better if measure in MEASURES else None
