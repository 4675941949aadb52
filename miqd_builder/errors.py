"""Errors a user can act on. The command line prints their message in one line and exits with 1."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MiqdError(Exception):
    """Base of all errors that name the thing, its value and the remedy; shown without a traceback."""


class ConfigError(MiqdError):
    """The run file, the command line, the zoo or the inputs are wrong; nothing was written."""


class DownloadError(MiqdError):
    """A file can't be downloaded, or the downloaded file is not the expected one; no existing file is lost."""


class UnreadableImageError(MiqdError):
    """One image can't be decoded; its source is quarantined and the run goes on."""


class InvalidResponsesError(MiqdError):
    """A part of responses breaks their contract; it gets no scores until it is written again, and the run goes on."""


class StoreError(MiqdError):
    """A part or a run folder is damaged, locked or of another version."""


class StaleCodeError(MiqdError):
    """A module, a model's config or its checkpoint is not what the run was planned with; nothing is stored for it."""


class LostSchedulerError(MiqdError):
    """The connection to a running Dask scheduler broke off; finished parts are kept."""


class NoWorkersError(MiqdError):
    """There was no worker for longer than a run waits; finished parts are kept."""


class NoMemoryError(MiqdError):
    """The process has no memory left to go on."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x' or 'y'?"`` for the known names nearest to ``name``, or an empty string.

    Examples:
        >>> did_you_mean("fogg", ["fog", "snow"])
        " Did you mean 'fog'?"
    """
    nearest = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(n) for n in nearest)}?" if nearest else ""
