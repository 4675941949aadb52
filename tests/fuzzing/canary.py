"""What hostile inputs try to run: it only notes that it ran."""

from __future__ import annotations

from typing import Any

RAN: list[str] = []
"""What ran, in order; an input that adds to it has run code of its own."""


def touch(*arguments: Any, **options: Any) -> str:
    """Note that code of an input ran."""
    RAN.append("touch")
    return "touched"
