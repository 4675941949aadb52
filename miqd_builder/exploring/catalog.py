"""What the page calls its rows and columns by: the sources and degradations that have labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.tables.schema import ORIGINAL

IDENTITY = ["degradation", "distortion", "category", "region", "roi_severity", "bg_severity"]


@dataclass(frozen=True)
class Degradation:
    """A degradation of the run; names and units as in the labels table."""

    degradation: str
    distortion: str
    category: str
    region: str
    roi_severity: int
    bg_severity: int

    def row(self) -> list[Any]:
        """Return it as the page has it."""
        return [getattr(self, name) for name in IDENTITY]


@dataclass(frozen=True)
class Catalog:
    """Sources and degradations by number; the number after the last degradation is the original image's.

    Attributes:
        sources: ids, sorted.
        degradations: in canonical order.
    """

    sources: tuple[str, ...]
    degradations: tuple[Degradation, ...]
    _sources: pa.Array = field(init=False, repr=False, compare=False)
    _names: pa.Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_sources", pa.array(self.sources, pa.string()))
        object.__setattr__(self, "_names", pa.array([*(d.degradation for d in self.degradations), ORIGINAL], pa.string()))

    @property
    def original(self) -> int:
        """Number of the original image among the degradations."""
        return len(self.degradations)

    def places(self, table: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the number of each row's source and degradation; -1 for one that isn't in the catalog."""
        return _numbers(table["source_id"], self._sources), _numbers(table["degradation"], self._names)


def catalog_of(labels: Iterable[pa.Table], order: Sequence[str]) -> Catalog:
    """Return the catalog of some tasks' labels.

    Args:
        labels: parts of tables, with the columns ``source_id`` and :data:`IDENTITY`.
        order: names of degradations in canonical order; those that aren't in it come last, sorted.
    """
    ids, kinds = set[str](), dict[str, Degradation]()
    for table in labels:
        ids |= set(table["source_id"].unique().to_pylist())
        for row in table.select(IDENTITY).group_by(IDENTITY).aggregate([]).to_pylist():
            kinds.setdefault(row["degradation"], Degradation(**row))
    rank = {name: number for number, name in enumerate(order)}
    names = sorted(kinds, key=lambda name: (rank.get(name, len(rank)), name))
    return Catalog(tuple(sorted(ids)), tuple(kinds[name] for name in names))


def _numbers(values: pa.ChunkedArray, known: pa.Array) -> NDArray[np.int64]:
    import pyarrow.compute as pc

    found = pc.fill_null(pc.index_in(values, value_set=known), -1)
    return found.to_numpy().astype(np.int64)
