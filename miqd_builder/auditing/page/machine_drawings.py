"""What is drawn of the labels for users of codecs and cameras: satisfied machines, calibration, detection errors, rate."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from miqd_builder.auditing.document import Record, Statistic, TaskDocument
from miqd_builder.auditing.page.answer import by_harm
from miqd_builder.auditing.page.blocks import Drawn, Panel
from miqd_builder.auditing.page.charts import Line, Point, line_chart, stacked_bar
from miqd_builder.auditing.page.drawings import points, severity_scale
from miqd_builder.auditing.page.numbers import number, plain, with_interval
from miqd_builder.auditing.page.scale import Scale
from miqd_builder.auditing.page.tables import Table, rows_of

ERRORS = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")
ORIGINALS = "originals"


def satisfied_machines(of: TaskDocument, statistic: Statistic) -> Drawn:
    """Satisfied machine ratio over severity, a panel a distortion and a line a threshold."""
    thresholds = sorted({r.threshold for r in statistic.records if r.threshold is not None})
    x = severity_scale(statistic.records)
    panels = []
    for name in by_harm(of):
        own = [r for r in statistic.records if r.distortion == name and r.severity is not None]
        lines = [
            Line(colour, points([r for r in own if r.threshold == threshold], "severity", "share"))
            for colour, threshold in enumerate(thresholds)
            if any(r.threshold == threshold for r in own)
        ]
        if lines:
            said = f"{plain(name)}: satisfied machine ratio over severity"
            panels.append(Panel(plain(name), line_chart(lines, x, x_title="severity", label=said)))
    return Drawn(panels, [(colour, f"consistency of at least {t:g}") for colour, t in enumerate(thresholds)])


def calibration_curves(of: TaskDocument, statistic: Statistic) -> Drawn:
    """Calibration error over severity: the mean of the models, and each model."""
    known = [r for r in statistic.records if r.severity is not None]
    models = [None, *sorted({r.model for r in known if r.model is not None})]
    x = severity_scale(known)
    y = Scale.around(known, zero=True)
    panels = []
    for model in models:
        own = [r for r in known if r.model == model]
        if own:
            line = Line(0, points(own, "severity", "share"))
            name = model or "mean of the models"
            panels.append(
                Panel(name, line_chart([line], x, y, x_title="severity", label=f"{name}: calibration error over severity"))
            )
    return Drawn(panels, words="Severity 0: the originals.")


def detection_errors(of: TaskDocument, statistic: Statistic) -> Drawn:
    """Errors an image by type: bars of the originals and of each distortion, with their numbers."""
    own = [r for r in statistic.records if r.error in ERRORS]
    rows = rows_of([r.model_copy(update={"label": r.error}) for r in own], ["distortion"])
    place = {plain(name): index for index, name in enumerate(by_harm(of))}
    rows.sort(key=lambda row: place.get(row.keys[0], -1))
    most = max((sum(r.value for r in row.records.values()) for row in rows), default=0.0)
    body: list[list[str | Markup]] = []
    for row in rows:
        known = [(index, error, row.records[error]) for index, error in enumerate(ERRORS) if error in row.records]
        shares = [
            (index, r.value, f"{error} {with_interval(r, statistic.unit)}, n {r.n:,}")
            for index, error, r in known
            if r.value > 0
        ]
        cells = {error: with_interval(r, statistic.unit) for _, error, r in known}
        first = row.first
        body.append(
            [
                row.keys[0] or ORIGINALS,
                stacked_bar(shares, most),
                *(cells.get(error, "-") for error in ERRORS),
                f"{first.n:,}",
                f"{first.sources:,}",
            ]
        )
    head = ["distortion", f"up to {number(most, statistic.unit)}", *ERRORS, "n", "source images"]
    complete = len(own) == len(statistic.records)
    return Drawn(legend=list(enumerate(ERRORS)), tables=[Table(statistic.title, head, body)], complete=complete)


def rate_curves(of: TaskDocument, statistic: Statistic) -> Drawn:
    """Consistency and accuracy over bits per pixel, a line a codec."""
    rate = {(r.distortion, r.severity): r.value for r in statistic.records if r.label == "bits_per_pixel" and r.value > 0}
    if not rate:
        return Drawn()
    codecs = sorted({name for name, _ in rate if name is not None})
    x = Scale.ratios(rate.values())
    panels = []
    for label in ("consistency", "accuracy"):
        own = [r for r in statistic.records if r.label == label and (r.distortion, r.severity) in rate]
        lines = [
            Line(colour % 6, _rate_points([r for r in own if r.distortion == codec], rate))
            for colour, codec in enumerate(codecs)
        ]
        if own:
            said = f"{label} over bits per pixel"
            panels.append(Panel(label, line_chart(lines, x, Scale.around(own), x_title="bits per pixel", label=said)))
    return Drawn(panels, [(colour % 6, plain(codec)) for colour, codec in enumerate(codecs)])


def _rate_points(records: Sequence[Record], rate: dict[tuple[str | None, int | None], float]) -> list[Point]:
    found = []
    for record in records:
        x = rate[record.distortion, record.severity]
        said = f"{plain(record.distortion or '')} {record.severity}, {x:.3f} bits per pixel: {with_interval(record, 'score')}"
        found.append(Point(x, record.value, record.low, record.high, said))
    return sorted(found, key=lambda point: point.x)
