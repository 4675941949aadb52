"""``report/benchmark.json``, ``report/benchmark.md`` and ``report/benchmark.html``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from miqd_builder.benchmarking.pages import Block, Heading, Items, Paragraph, Table, to_html, to_markdown
from miqd_builder.benchmarking.published import NOT_COMPARABLE, paper_methods, paper_value, paper_values
from miqd_builder.benchmarking.records import BenchmarkRecord
from miqd_builder.benchmarking.subsets import ALL
from miqd_builder.store.folder import RunFolder

JSON, MARKDOWN, HTML = "report/benchmark.json", "report/benchmark.md", "report/benchmark.html"

INTRODUCTION = (
    "What measures of image quality know about the labels. SRCC is positive where a measure orders images as the label does; "
    'brackets hold 95 % intervals of a bootstrap over source images. PLCC and RMSE are after a logistic fit. "of ceiling" is '
    "SRCC divided by the noise ceiling. degradation_mean looks at no picture: it is the mean label of the same degradation "
    "over the other sources. A measure that doesn't beat it says nothing about the picture."
)


@dataclass(frozen=True, slots=True)
class TaskBenchmark:
    """The benchmark of one task.

    Attributes:
        task: cls, det, ins or seg.
        images: degraded images.
        sources: their source images.
        basis: which sources, how many draws, which seed, in words.
        records: see :func:`miqd_builder.benchmarking.records.benchmark_task`.
        notes: what to know about the measures, a sentence each.
        obstacles: why the figures can't be compared with the paper's, a sentence each.
    """

    task: str
    images: int
    sources: int
    basis: str
    records: tuple[BenchmarkRecord, ...]
    notes: tuple[str, ...]
    obstacles: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """Labels, in order."""
        return list(dict.fromkeys(record.label for record in self.records))

    def overall(self, label: str) -> list[BenchmarkRecord]:
        """Return the records of a label over all images, a measure each."""
        return [record for record in self.records if (record.label, record.subset) == (label, ALL)]


def to_json(records: Sequence[BenchmarkRecord]) -> str:
    """Return records as a JSON list, a record a line."""
    lines = ",\n".join(json.dumps(record.to_json(), allow_nan=False) for record in records)
    return f"[\n{lines}\n]\n"


def write_benchmark(folder: RunFolder, found: Sequence[TaskBenchmark], filtering: Sequence[Block] = ()) -> None:
    """Write ``report/benchmark.json``, ``.md`` and ``.html``, each in whole or not at all.

    Args:
        folder: the run folder.
        found: the figures of each task.
        filtering: what the pages say of filtering curves.
    """
    blocks = [*page(found), *filtering]
    folder.write(JSON, to_json([record for task in found for record in task.records]).encode())
    folder.write(MARKDOWN, to_markdown(blocks).encode())
    folder.write(HTML, to_html(f"MIQD benchmark: {folder.url.rstrip('/').rsplit('/', 1)[-1]}", blocks).encode())


def page(found: Sequence[TaskBenchmark]) -> list[Block]:
    """Return the benchmark as a page."""
    blocks: list[Block] = [Heading(1, "Benchmark"), Paragraph(INTRODUCTION)]
    for task in found:
        blocks.append(Heading(2, task.task))
        blocks.append(Paragraph(f"{task.images:,} degraded images of {task.sources:,} sources; {task.basis}."))
        blocks += [Items(task.notes)] if task.notes else []
        for label in task.labels:
            blocks += [Heading(3, f"{task.task}: {label}"), *_overall(task, label), *_by_subset(task, label)]
        blocks += _paper(task)
    return blocks


def _overall(task: TaskBenchmark, label: str) -> list[Block]:
    head = ("measure", "n", "left out", "SRCC", "of ceiling", "PLCC", "raw PLCC", "KRCC", "RMSE", "SRCC in the paper")
    rows = [
        (
            record.measure,
            f"{record.n:,}",
            f"{record.dropped:,}",
            f"{number(record.srcc)} {interval(record.srcc_low, record.srcc_high)}",
            number(record.of_ceiling, 2),
            *(number(value) for value in (record.plcc, record.plcc_raw, record.krcc, record.rmse)),
            number(paper_value(record.measure, task.task, label, "srcc"), 4),
        )
        for record in task.overall(label)
    ]
    ceiling = task.overall(label)[0].ceiling
    known = "none: fewer than two models with scores" if np.isnan(ceiling) else number(ceiling)
    return [Table(head, rows), Paragraph(f"Noise ceiling: {known}.")]


def _by_subset(task: TaskBenchmark, label: str) -> list[Block]:
    records = {(record.subset, record.measure): record for record in task.records if record.label == label}
    subsets = list(dict.fromkeys(subset for subset, _ in records if subset != ALL))
    if not subsets:
        return []
    measures = list(dict.fromkeys(measure for _, measure in records))
    rows = [
        (
            subset,
            f"{max(records[subset, measure].n for measure in measures):,}",
            *(
                f"{number(one.srcc)} {interval(one.srcc_low, one.srcc_high)}"
                for one in (records[subset, measure] for measure in measures)
            ),
            number(records[subset, measures[0]].ceiling),
        )
        for subset in subsets
    ]
    return [Paragraph("SRCC by subset:"), Table(("subset", "n", *measures, "ceiling"), rows)]


def _paper(task: TaskBenchmark) -> list[Block]:
    """The paper's figures of a task, and what is not comparable; nothing for a task that it doesn't have."""
    labels = [label for label in task.labels if ("PSNR", task.task, label, "srcc") in paper_values()]
    if not labels:
        return []
    metrics = [(label, metric) for label in labels for metric in ("srcc", "plcc", "rmse")]
    rows = [
        (method, *(number(paper_values().get((method, task.task, *column), np.nan), 4) for column in metrics))
        for method in paper_methods()
    ]
    head = ("method", *(f"{label} {metric.upper()}" for label, metric in metrics))
    title = Heading(3, f"{task.task}: the paper's figures (arXiv 2508.19850)")
    return [title, Table(head, rows), Paragraph("Not comparable, or not wholly:"), Items((*task.obstacles, *NOT_COMPARABLE))]


def number(value: float, digits: int = 3) -> str:
    """Return a figure as text, ``-`` where it is undefined."""
    return "-" if np.isnan(value) else f"{value:.{digits}f}"


def interval(low: float, high: float) -> str:
    """Return an interval as text, nothing where it is undefined.

    >>> interval(0.1, 0.25)
    '[0.100, 0.250]'
    """
    return "" if np.isnan(low) else f"[{low:.3f}, {high:.3f}]"
