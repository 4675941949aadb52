"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from miqd_builder.formats.publication.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Finding:
    """One point of a check.

    Attributes:
        name: what was looked at.
        passes: None if it could not be checked, or a person has to judge.
        text: what was found, and what to do about it.
    """

    name: str
    passes: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class DataSetFolder:
    """A published data set on disk.

    Attributes:
        path: its folder.
        sizes: bytes of every file, by path below it, without what git and uploads keep.
        manifest: what it says of itself; None without one.
        records: records of each set to generate through Croissant.
    """

    path: Path
    sizes: dict[str, int]
    manifest: Manifest | None
    records: int

    def parquet(self) -> list[str]:
        """Return the Parquet files, sorted."""
        return [name for name in self.sizes if name.endswith(".parquet")]


def found(name: str, problems: list[str], good: str) -> Finding:
    """Return a finding: the first problems of many, or what is good.

    Examples:
        >>> found("files", ["a is missing", "b is missing"], "all there")
        Finding(name='files', passes=False, text='a is missing; b is missing')
    """
    if not problems:
        return Finding(name, True, good)
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return Finding(name, False, "; ".join(problems[:5]) + more)
