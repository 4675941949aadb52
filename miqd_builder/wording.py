"""How errors name what a user gave: as options of the command line, or as arguments of a Python function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """How errors name what a user gave beside the run file.

    Attributes:
        given: all of it.
        nothing: the remedy where it and the run file are missing.
        dashes: whether options are written ``--name`` (command line) or ``name`` (Python).
    """

    given: str
    nothing: str
    dashes: bool

    def option(self, name: str) -> str:
        """Return how an option or an argument is called."""
        return f"--{name}" if self.dashes else name

    def setting(self, key: str) -> str:
        """Return how a field of the run file, with its section before a dot, is given."""
        section, _, field = key.rpartition(".")
        if self.dashes:
            return f"--set {key}=..."
        return f"{section}={{'{field}': ...}}" if section else f"{key}=..."


COMMAND_LINE = Words(
    "The command line", "give a run file with --run, or the fields with --set source.kind=folder and so on", dashes=True
)
PYTHON = Words(
    "The arguments", "give a run file with run=, or the fields, such as source={'kind': 'folder', 'images': ...}", dashes=False
)
