"""Errors a user can act on. The command line prints their message in one line and exits with 1."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MiqdError(Exception):
    """Base of all errors that name the thing, its value and the remedy; shown without a traceback."""


class ConfigError(MiqdError):
    """The run file, the command line, the zoo or the inputs are wrong; nothing was written."""


class UnreadableImageError(MiqdError):
    """One image can't be decoded; its source is quarantined and the run goes on."""


class StoreError(MiqdError):
    """A part or a run folder is damaged, locked or of another version."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x' or 'y'?"`` for the known names nearest to ``name``, or an empty string."""
    nearest = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(n) for n in nearest)}?" if nearest else ""
