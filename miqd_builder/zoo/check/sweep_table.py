"""The measurements of a sweep as a page of Markdown, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from miqd_builder.zoo.check.measurement import IMAGE_SIZE, Measurement
from miqd_builder.zoo.entry import ModelEntry

TASKS = {"cls": "Classification", "det": "Object detection", "ins": "Instance segmentation", "seg": "Semantic segmentation"}

INTRODUCTION = f"""\
# The model zoo

Every model that ships, built with random weights and run on a CPU once. Written by

    make zoo-sweep        # miqd zoo verify --random-weights --zoo ... --table docs/model-zoo.md

which measures one model at a time, each in its own process, and resumes where it was interrupted. Each model was also
checked against the contract of adapters (`miqd_builder/zoo/check/contract.py`): shapes, ranges, order of scores, boxes inside
the image, the same predictions again, in another order and alone.

- **input**: height and width that the model's own preprocessing brings an image to; `800x1333` is a frame that the image is
  fitted into (one of {IMAGE_SIZE[1]}x{IMAGE_SIZE[0]} pixels becomes 1067x800).
- **M params**: parameters in millions; ultralytics' models after their batch normalisation is folded.
- **GFLOPs**: of one image of {IMAGE_SIZE[1]}x{IMAGE_SIZE[0]} pixels, a multiply-add counted as two. Convolutions, matrix
  products and attention count; deformable convolutions, sampling and element-wise work don't.
- **peak MiB**: highest resident memory of the process, its libraries included; classifiers run on four images at a time.
- **CPU s**: processor time of one image on one core, the first one after the build: to compare models, no benchmark.
- **found**: detections without a threshold on their scores. With random weights RTMDet finds little, and SOLO, which keeps its
  own threshold, nothing.
- **metric**: published figure on clean images, in percent.

The same figures as CSV are in [results/](results/README.md).
"""

COLUMNS = (
    "model",
    "task",
    "family",
    "input_height",
    "input_width",
    "params_millions",
    "gflops",
    "peak_mib",
    "cpu_seconds",
    "found",
    "metric",
    "metric_percent",
    "paper",
    "problem",
)
"""Of the CSV; what a model doesn't have is empty."""


def markdown(entries: Iterable[ModelEntry], measurements: Sequence[Measurement]) -> str:
    """Return a page with a table a task, in the order of the entries."""
    measured = {measurement.name: measurement for measurement in measurements}
    tables: dict[str, list[str]] = {}
    for entry in entries:
        tables.setdefault(entry.task, []).append(_row(entry, measured[entry.name]))
    return INTRODUCTION + "".join(_table(task, rows) for task, rows in tables.items())


def csv_text(entries: Iterable[ModelEntry], measurements: Sequence[Measurement]) -> str:
    """Return the figures of :func:`markdown` as CSV, a line a model under :data:`COLUMNS`."""
    measured = {measurement.name: measurement for measurement in measurements}
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        found = measured[entry.name]
        height, width = entry.input_size or (None, None)
        metric = (entry.metric.name, f"{entry.metric.value:.1f}") if entry.metric else (None, None)
        costs = (
            found.params,
            found.gflops,
            found.peak_mib,
            None if found.ms is None else f"{found.ms / 1000:.2f}",
            found.found,
        )
        writer.writerow([entry.name, entry.task, entry.family, height, width, *costs, *metric, entry.paper, found.problem])
    return stream.getvalue()


def _table(task: str, rows: Sequence[str]) -> str:
    found = " found |" if task in ("det", "ins") else ""
    head = f"| model | family | input | M params | GFLOPs | peak MiB | CPU s |{found} metric | paper |"
    rule = "|---|---|" + "---:|" * (head.count("|") - 4) + "---|"
    return f"\n## {TASKS[task]}: {len(rows)}\n\n" + "\n".join([head, rule, *rows]) + "\n"


def _row(entry: ModelEntry, measurement: Measurement) -> str:
    """One line; a model that failed shows its problem instead of figures."""
    size = "x".join(map(str, entry.input_size)) if entry.input_size else "-"
    metric = f"{entry.metric.name} {entry.metric.value:.1f}" if entry.metric else "-"
    if measurement.problem is not None:
        return f"| {entry.name} | {entry.family or '-'} | {size} | {measurement.problem.replace('|', '/')} |"
    seconds = measurement.ms / 1000 if measurement.ms is not None else 0.0
    cells = [f"{measurement.params}", f"{measurement.gflops}", f"{measurement.peak_mib}", f"{seconds:.2f}"]
    cells += [] if measurement.found is None else [str(measurement.found)]
    return f"| {' | '.join([entry.name, entry.family or '-', size, *cells, metric, entry.paper or '-'])} |"
