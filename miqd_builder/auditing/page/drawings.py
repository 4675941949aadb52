"""What is drawn of each kind of statistic: curves over severity, grids, marks, matrices, bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from miqd_builder.auditing.document import Record, Statistic, TaskDocument
from miqd_builder.auditing.page.answer import by_harm, leading_label
from miqd_builder.auditing.page.blocks import Drawn, Panel
from miqd_builder.auditing.page.charts import Cell, Line, Point, heat_strips, line_chart, severity_grid
from miqd_builder.auditing.page.numbers import hint, key_text, plain, with_interval
from miqd_builder.auditing.page.scale import UNIT, Scale
from miqd_builder.auditing.page.tables import Row, colour_of, drawn_table

SEVERITIES = Scale(1, 5, (1, 2, 3, 4, 5))
FEW = 12
"""Up to this many models have their numbers in the cells of the matrix."""


def severity_curves(of: TaskDocument, statistic: Statistic) -> Drawn:
    """Consistency and accuracy over uniform severity, a panel a distortion, the most harmful one first."""
    drawn = difference_curves(statistic, by_harm(of), UNIT)
    return replace(drawn, words=f"Most harmful distortion first. {drawn.words}")


def difference_curves(statistic: Statistic, names: Sequence[str], y: Scale) -> Drawn:
    """Consistency and accuracy over uniform severity, a panel a distortion.

    Args:
        statistic: scores or differences by distortion and severity.
        names: distortions in the order of the panels.
        y: axis of the values.
    """
    labels = _labels(statistic, ("consistency", "accuracy"))
    x = severity_scale(statistic.records)
    panels = []
    for name in names:
        own = [r for r in statistic.records if r.distortion == name and r.severity is not None]
        lines = [
            Line(colour_of(label, labels), points([r for r in own if r.label == label], "severity", "score"))
            for label in labels
            if any(r.label == label for r in own)
        ]
        if lines:
            said = f"{plain(name)}: {' and '.join(labels)} over severity"
            panels.append(Panel(plain(name), line_chart(lines, x, y, x_title="severity", label=said)))
    return Drawn(panels, legend(labels), words="Bands are the intervals; point at a dot for its numbers.")


def grids(of: TaskDocument, statistic: Statistic) -> Drawn:
    """The label over ROI and background severity, a panel a distortion."""
    label = leading_label(of) if any(r.label == leading_label(of) for r in statistic.records) else statistic.records[0].label
    own = [r for r in statistic.records if r.label == label]
    levels = sorted({s for r in own for s in (r.roi_severity, r.bg_severity) if s is not None})
    if all(r.roi_severity == r.bg_severity for r in own):
        return Drawn(words="All degradations of the run are uniform: there is no grid to draw.")
    panels = []
    for name in by_harm(of):
        cells = {
            (r.roi_severity, r.bg_severity): Cell(1 - r.value, _short(r.value), hint(r, "score", _pair(r)))
            for r in own
            if r.distortion == name and r.roi_severity is not None and r.bg_severity is not None
        }
        if cells:
            said = f"{plain(name)}: mean {label} by ROI and background severity"
            panels.append(Panel(plain(name), severity_grid(cells, levels, label=said)))
    words = (
        f"Mean {label}. Upwards the object (ROI) is degraded more, to the right the background; uniform degradations are on "
        "the diagonal. Redder above the diagonal than below it: the object matters more."
    )
    return Drawn(panels, heat=(f"{label} 1", f"{label} 0"), words=words)


def model_matrix(of: TaskDocument, statistic: Statistic) -> Drawn:
    """Consistency of each model under each distortion, severities side by side."""
    own = [r for r in statistic.records if r.label == "consistency"]
    models = [m.name for m in of.models if any(r.model == m.name for r in own)]
    names = [name for name in by_harm(of) if any(r.distortion == name for r in own)]
    severities = sorted({r.severity for r in own if r.severity is not None})
    known = {(r.model, r.distortion, r.severity): r for r in own}
    cells = {
        (model, plain(name)): [_narrow(known[model, name, s]) for s in severities if (model, name, s) in known]
        for model in models
        for name in names
    }
    svg = heat_strips(models, [plain(name) for name in names], cells, label="consistency by model, distortion and severity")
    words = f"Consistency of each model; the cells of a strip are severities {', '.join(map(str, severities))}."
    return Drawn([Panel("", svg)], heat=("consistency 1", "consistency 0"), words=words)


def marked(
    *keys: str,
    labels: Sequence[str] = (),
    only: Callable[[Record], bool] | None = None,
    falling: str = "",
    harm: bool = False,
    zero: bool = False,
    series: str = "",
    words: str = "",
) -> Callable[[TaskDocument, Statistic], Drawn]:
    """Return a function that draws values as marks on a common axis, beside their numbers.

    Args:
        keys: that name a row.
        labels: which labels to show, in this order; all by default.
        only: which records to show; all by default.
        falling: a label by which rows are sorted, largest first.
        harm: rows in the order of :func:`by_harm`, those without a distortion first.
        zero: whether the axis shows 0.
        series: a key that takes the place of the label.
        words: how to read it.
    """

    def draw(of: TaskDocument, statistic: Statistic) -> Drawn:
        place = {name: index for index, name in enumerate(by_harm(of))}

        def order(row: Row) -> float:
            if harm:
                return place.get(row.first.distortion or "", -1)
            return -row.records[falling].value if falling in row.records else 0.0

        records = [r for r in statistic.records if only is None or only(r)]
        if series:
            ranked = sorted(records, key=lambda r: _series_rank(r, series))
            records = [r.model_copy(update={"label": _series_label(r, series)}) for r in ranked]
        sort = order if harm or falling else None
        return all_marks(statistic, keys, records=records, labels=labels, order=sort, zero=zero, words=words)

    return draw


def all_marks(
    statistic: Statistic,
    keys: Sequence[str],
    *,
    records: Sequence[Record] | None = None,
    labels: Sequence[str] = (),
    order: Callable[[Row], float] | None = None,
    zero: bool = False,
    words: str = "",
) -> Drawn:
    """Return a table that draws values, and what its colours mean; arguments as for :func:`marked` and :func:`drawn_table`."""
    records = statistic.records if records is None else records
    names = [label for label in labels or dict.fromkeys(r.label for r in records) if any(r.label == label for r in records)]
    shown = [r for r in records if r.label in names]
    if not shown:
        return Drawn()
    table = drawn_table(statistic, keys=keys, labels=names, records=shown, order=order, zero=zero)
    complete = len(shown) == len(statistic.records) and not table.note
    return Drawn(legend=legend(names) if len(names) > 1 else (), tables=[table], words=words, complete=complete)


def points(records: Sequence[Record], key: str, unit: str) -> list[Point]:
    """Return records as points over one of their keys, from left to right."""
    ranked = sorted(records, key=lambda r: float(getattr(r, key)))
    return [Point(float(getattr(r, key)), r.value, r.low, r.high, hint(r, unit, f"{key} {key_text(r, key)}")) for r in ranked]


def severity_scale(records: Sequence[Record]) -> Scale:
    """Return the axis of severities: 1 to 5, or whatever there is beyond."""
    known = sorted({r.severity for r in records if r.severity is not None})
    if known and known[0] >= 1 and known[-1] <= 5:
        return SEVERITIES
    return Scale(min(known, default=0), max(known, default=1), tuple(known))


def legend(labels: Sequence[str]) -> list[tuple[int, str]]:
    """Return colour and name of labels."""
    return [(colour_of(label, labels), plain(label)) for label in labels]


def _labels(statistic: Statistic, wanted: Sequence[str]) -> list[str]:
    there = {record.label for record in statistic.records}
    return [label for label in wanted if label in there]


def _series_label(record: Record, key: str) -> str:
    """A number with the name of its key, a word alone."""
    value = getattr(record, key)
    return value if isinstance(value, str) else f"{key} {key_text(record, key)}"


def _series_rank(record: Record, key: str) -> float:
    """Numbers rise from column to column; words stay in the order of the file."""
    value = getattr(record, key)
    return 0.0 if isinstance(value, str) else float(value)


def _narrow(record: Record) -> Cell:
    where = f"{record.model}, {plain(record.distortion or '')} {record.severity}"
    return Cell(1 - record.value, "", f"{where}: {with_interval(record, 'score')}, n {record.n:,}")


def _pair(record: Record) -> str:
    return f"ROI severity {record.roi_severity}, background severity {record.bg_severity}"


def _short(value: float) -> str:
    """Two decimals without the leading zero: .61, and 1."""
    return f"{value:.2f}".removeprefix("0") if value < 0.995 else "1"
