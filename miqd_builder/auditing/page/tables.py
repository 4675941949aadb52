"""Tables of the report: all values of a statistic, and values drawn with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from miqd_builder.auditing.document import Record, Statistic
from miqd_builder.auditing.page.charts import Mark, mark_axis, marks
from miqd_builder.auditing.page.numbers import hint, key_name, key_text, keys_of, plain, with_interval
from miqd_builder.auditing.page.scale import Scale

MOST_ROWS = 120
"""Rows of a table of all values; a longer one is in audit.json only."""
MOST_DRAWN = 45
"""Rows of a table that draws its values."""

COLOURS = {"consistency": 0, "accuracy": 1, "composite": 2, "P": 2, "mPC": 1, "rPC": 3}
"""Colour of a label wherever it is drawn; others take the next ones."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table; texts are escaped by the template, drawings are not.

    Attributes:
        title: says what it holds, for readers of the screen and above folded tables.
        head: of the columns.
        rows: cells, as many a row as columns; the first ``named`` ones are its heading.
        named: number of columns that say what a row is of.
        note: below it; empty for none.
    """

    title: str
    head: Sequence[str | Markup]
    rows: Sequence[Sequence[str | Markup]]
    named: int = 1
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """The records of one row, by label: those with the same keys."""

    keys: tuple[str, ...]
    records: dict[str, Record]

    @property
    def first(self) -> Record:
        """Any of its records, for their keys."""
        return next(iter(self.records.values()))

    @property
    def name(self) -> str:
        """Its keys in one text."""
        return ", ".join(key for key in self.keys if key) or "all"


def rows_of(records: Sequence[Record], keys: Sequence[str]) -> list[Row]:
    """Put records with the same keys into one row each, in their order."""
    rows: dict[tuple[str, ...], dict[str, Record]] = {}
    for record in records:
        rows.setdefault(tuple(key_text(record, key) for key in keys), {})[record.label] = record
    return [Row(of, known) for of, known in rows.items()]


def values_table(statistic: Statistic) -> Table:
    """Return all values of a statistic: a row for each combination of keys, a column a label, with intervals, n and sources."""
    keys, labels = keys_of(statistic), _labels(statistic.records)
    rows = rows_of(statistic.records, keys)
    title = f"All values: {statistic.title} ({len(rows):,} rows)"
    if len(rows) > MOST_ROWS:
        return Table(title, [], [], note=f"{title}: in audit.json, too many for a page.")
    differences = any(record.excludes_zero is not None for record in statistic.records)
    head = [*map(key_name, keys), *(_heading(label, statistic, len(labels)) for label in labels)]
    head += [*(["interval excludes 0"] if differences else []), "n", "source images"]
    body = []
    for row in rows:
        found = [row.records.get(label) for label in labels]
        cells = [*row.keys, *("-" if one is None else with_interval(one, statistic.unit) for one in found)]
        if differences:
            cells.append(_joined([_verdict(one) for one in found if one is not None]))
        cells += [_joined([f"{getattr(one, name):,}" for one in found if one is not None]) for name in ("n", "sources")]
        body.append(cells)
    return Table(title, head, body, max(1, len(keys)))


def drawn_table(
    statistic: Statistic,
    *,
    keys: Sequence[str],
    labels: Sequence[str] = (),
    records: Sequence[Record] | None = None,
    order: Callable[[Row], float] | None = None,
    zero: bool = False,
) -> Table:
    """Return values as marks on a common axis, beside their numbers.

    Args:
        statistic: what they are of.
        keys: that name a row.
        labels: which labels, in this order; all that are there by default.
        records: some of its records; all by default.
        order: rows are sorted by it, rising.
        zero: whether the axis shows 0; it does for differences.
    """
    chosen = list(statistic.records if records is None else records)
    names = list(labels) or _labels(chosen)
    chosen = [record for record in chosen if record.label in names]
    rows = rows_of(chosen, keys)
    if order is not None:
        rows.sort(key=order)
    shown = rows[:MOST_DRAWN]
    differences = any(record.excludes_zero is not None for record in chosen)
    scale = Scale.around((one for row in shown for one in row.records.values()), zero=zero or differences)
    head: list[str | Markup] = [" and ".join(map(key_name, keys)) or "over", mark_axis(scale)]
    head += [_heading(label, statistic, len(names)) for label in names]
    head += [*(["excludes 0"] if differences else []), "n", "source images"]
    body = [_drawn_row(row, names, statistic.unit, scale, differences) for row in shown]
    more = f"The first {MOST_DRAWN} of {len(rows):,} rows." if len(rows) > MOST_DRAWN else ""
    return Table(statistic.title, head, body, 1, more)


def colour_of(label: str, labels: Sequence[str]) -> int:
    """Return the colour of a label among others."""
    return COLOURS.get(label, list(labels).index(label) % 6)


def _drawn_row(row: Row, labels: Sequence[str], unit: str, scale: Scale, differences: bool) -> list[str | Markup]:
    found = [(label, row.records[label]) for label in labels if label in row.records]
    lines = [
        Mark(colour_of(label, labels), r.value, r.low, r.high, hint(r, unit, row.name), hollow=r.excludes_zero is False)
        for label, r in found
    ]
    cells: list[str | Markup] = [row.name, marks(lines, scale)]
    cells += [with_interval(row.records[label], unit) if label in row.records else "-" for label in labels]
    if differences:
        cells.append(_joined([_verdict(one) for _, one in found]))
    return cells + [_joined([f"{getattr(one, name):,}" for _, one in found]) for name in ("n", "sources")]


def _labels(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record.label for record in records))


def _heading(label: str, statistic: Statistic, count: int) -> str:
    name = plain(label)
    unit = statistic.unit
    return name if (count > 1 and unit in ("score", "share")) or unit == name else f"{name} ({unit})" if count == 1 else name


def _verdict(record: Record) -> str:
    return {True: "yes", False: "no", None: "no interval"}[record.excludes_zero]


def _joined(texts: Sequence[str]) -> str:
    """One text where all are equal, else all of them."""
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)
