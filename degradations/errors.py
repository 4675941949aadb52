"""Errors of this package; each names the thing, the value that came and what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DegradationError(ValueError):
    """Base of the errors below: the caller's argument is wrong, nothing was rendered."""


class UnknownDegradationError(DegradationError):
    """No distortion or degradation has this name, or no name matches this pattern."""


class RegistrationError(DegradationError):
    """A distortion can't be registered: its name, category, candidates or function break the contract."""


class PluginError(DegradationError):
    """A plug-in can't be imported, registers nothing, or returned something that is no degraded image."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x' or 'y'?"`` for the known names nearest to ``name``, or an empty string."""
    found = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(match) for match in found)}?" if found else ""
