"""What a part of the audit found: statistics, and why others are absent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Required, TypedDict, Unpack

from miqd_builder.auditing.document import Record, Statistic

NO_TRUTH = "no image has a ground truth of this task"
NO_SCORES = "the labels were imported and come without the scores of single models"
NO_UNIFORM = "the run has no uniform degradation"


class About(TypedDict, total=False):
    """What a statistic says once for all of its values; see :class:`~miqd_builder.auditing.document.Statistic`."""

    title: Required[str]
    definition: Required[str]
    unit: Required[str]
    severities: Required[str]
    baseline: str
    interval: str
    sample: str


@dataclass
class Found:
    """Statistics by name, and reasons why others are absent, by name or by name and label (``severity.accuracy``)."""

    statistics: dict[str, Statistic] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        name: str,
        records: Iterable[Record | None],
        *,
        why_not: str,
        labels: Iterable[str] = (),
        why_no_label: str = NO_TRUTH,
        **about: Unpack[About],
    ) -> None:
        """Add a statistic, or the reason why there is no value of it.

        Args:
            name: of the statistic, as in docs/audit.md.
            records: its values; None is none.
            why_not: why there is no value, if there is none.
            labels: labels of which there should be values.
            why_no_label: why one of them is missing, if one is.
            about: fields of :class:`~miqd_builder.auditing.document.Statistic`.
        """
        kept = tuple(one for one in records if one is not None)
        if not kept:
            self.absent[name] = why_not
            return
        there = {one.label for one in kept}
        self.absent |= {f"{name}.{label}": why_no_label for label in labels if label not in there}
        if not any(one.low is not None for one in kept):
            about.pop("interval", None)
        self.statistics[name] = Statistic(**about, records=kept)

    def merge(self, other: Found) -> None:
        """Take over what another part found."""
        self.statistics |= other.statistics
        self.absent |= other.absent
