"""The degradations of a task as cells of arrays, and which cells a statistic takes together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from miqd_builder.auditing.document import DistortionFacts

Ints = NDArray[np.int64]

UNIFORM = "uniform"
REGIONS = (UNIFORM, "roi", "background")


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """A degradation; they sort by category, distortion, severity in the ROI and in the background."""

    category: str
    distortion: str
    roi_severity: int
    bg_severity: int
    region: str
    degradation: str


@dataclass(frozen=True)
class Cells:
    """The degradations of a task's labels.

    Attributes:
        all: sorted; the index of a cell is its code.
    """

    all: tuple[Cell, ...]

    def __len__(self) -> int:
        return len(self.all)

    @property
    def original(self) -> int:
        """Code of the originals, behind all cells."""
        return len(self.all)

    @cached_property
    def categories(self) -> dict[str, str]:
        """Category of each distortion, in the order of the cells."""
        return {cell.distortion: cell.category for cell in self.all}

    @property
    def distortions(self) -> list[str]:
        """Names, in the order of the cells."""
        return list(self.categories)

    @property
    def facts(self) -> tuple[DistortionFacts, ...]:
        """What the document says about the distortions."""
        return tuple(
            DistortionFacts(name=name, category=category, degradations=len(self.where(distortion=name)))
            for name, category in self.categories.items()
        )

    @cached_property
    def uniform(self) -> Ints:
        """Codes of the uniform degradations."""
        return self.where(region=UNIFORM)

    @cached_property
    def places(self) -> Ints:
        """Place of each cell among the uniform ones, and behind them that of the originals; -1 for other cells."""
        places = np.full(len(self.all) + 1, -1)
        places[self.uniform] = np.arange(len(self.uniform))
        places[self.original] = len(self.uniform)
        return places

    @cached_property
    def uniform_places(self) -> dict[str, Ints]:
        """Places of the uniform cells of each distortion that has some, by rising severity."""
        found = ((name, self.places[self.uniform_of(name)]) for name in self.distortions)
        return {name: places for name, places in found if len(places)}

    def where(self, **values: str | int) -> Ints:
        """Return the codes of the cells whose attributes have these values."""
        return np.array(
            [code for code, cell in enumerate(self.all) if all(getattr(cell, k) == v for k, v in values.items())], np.int64
        )

    def uniform_of(self, distortion: str) -> Ints:
        """Return the codes of a distortion's uniform degradations, by rising severity."""
        return self.where(region=UNIFORM, distortion=distortion)
