"""The report: one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from miqd_builder.auditing.charts import model_heatmap, region_bars, severity_curves
from miqd_builder.auditing.statistics import Rows, model_table, point_statistics, region_table, severity_table
from miqd_builder.errors import StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.queries import labelled_tasks, stored_labels

TASK_NAMES = {
    "cls": "Classification",
    "det": "Object detection",
    "ins": "Instance segmentation",
    "seg": "Semantic segmentation",
}


def write_report(folder: RunFolder, *, tasks: Sequence[str] | None = None) -> list[str]:
    """Write ``report/index.html`` and return the tasks in it.

    Args:
        folder: a run folder with labels.
        tasks: which tasks; None means all that have labels.

    Raises:
        StoreError: there are no labels.
    """
    from plotly.offline import get_plotlyjs

    chosen = list(tasks) if tasks else labelled_tasks(folder)
    if not chosen:
        raise StoreError(f"'{folder.url}' has no labels yet: run 'miqd label --task det' (or cls, ins, seg) first.")
    record = RunRecord.load(folder)
    title = f"{folder.url.rstrip('/').rsplit('/', 1)[-1]}, seed {record.seed}" if record else folder.url
    template = Template((files("miqd_builder.auditing") / "report.html").read_text(encoding="utf-8"))
    page = template.substitute(
        title=escape(title),
        plotly=get_plotlyjs(),
        links="".join(f'<a href="#{task}">{TASK_NAMES[task]}</a>' for task in chosen) + _benchmark_link(folder),
        sections="".join(_section(folder, task) for task in chosen),
    )
    folder.write("report/index.html", page.encode())
    return chosen


def _benchmark_link(folder: RunFolder) -> str:
    return '<a href="benchmark.html">Benchmark of measures</a>' if folder.exists("report/benchmark.html") else ""


def _section(folder: RunFolder, task: str) -> str:
    labels = stored_labels(folder, task)
    severities = severity_table(folder, task)
    numbers = point_statistics(folder, task)
    models = max((n for n in labels["n_models"].unique().to_pylist() if n is not None), default="-")
    cards = {
        "degraded images": f"{labels.num_rows:,}",
        "source images": str(len(labels["source_id"].unique())),
        "models": str(models),
        "std consistency": _number(numbers["std_consistency"]),
        "std accuracy": _number(numbers["std_accuracy"]),
        "corr. of both": _number(numbers["corr_accuracy_consistency"]),
        "SRCC PSNR, composite": _number(numbers["srcc_psnr_composite"]),
    }
    by_model = model_table(folder, task)
    heatmap = f"<h3>Consistency by model and distortion</h3>{_panel(model_heatmap(by_model))}" if by_model else ""
    boxes = "".join(f'<div class="card"><b>{escape(value)}</b>{escape(name)}</div>' for name, value in cards.items())
    return (
        f'<h2 id="{task}">{TASK_NAMES[task]}</h2><div class="cards">{boxes}</div>'
        f"<h3>Labels over severity (whole image degraded)</h3>{_severities(severities)}"
        f"<h3>Where the distortion is</h3>{_panel(region_bars(region_table(folder, task)))}{heatmap}"
    )


def _severities(rows: Rows) -> str:
    if not rows:
        return "<p>No image is degraded as a whole.</p>"
    table = f'<h3>Mean consistency <small>(accuracy)</small></h3><div class="panel">{_table(rows)}</div>'
    return _panel(severity_curves(rows)) + table


def _panel(figure: Any) -> str:
    return (
        f'<div class="panel">{figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False})}</div>'
    )


def _table(rows: list[dict[str, Any]]) -> str:
    severities = sorted({row["severity"] for row in rows})
    head = "".join(f"<th>severity {severity}</th>" for severity in severities)
    body = []
    for distortion in dict.fromkeys(row["distortion"] for row in rows):
        cells = {row["severity"]: row for row in rows if row["distortion"] == distortion}
        columns = "".join(_cell(cells.get(severity)) for severity in severities)
        body.append(f"<tr><td>{escape(distortion.replace('_', ' '))}</td>{columns}</tr>")
    return f"<table><tr><th>distortion</th>{head}</tr>{''.join(body)}</table>"


def _cell(row: dict[str, Any] | None) -> str:
    if row is None or row["consistency"] is None:
        return "<td>-</td>"
    strength = 1 - row["consistency"]
    accuracy = "-" if row["accuracy"] is None else f"{row['accuracy']:.3f}"
    return (
        f'<td style="background:rgba(220,38,38,{0.6 * strength:.2f})">{row["consistency"]:.3f} <small>({accuracy})</small></td>'
    )


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"
