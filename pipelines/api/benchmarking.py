"""``benchmark``: the command that compares measures of image quality with labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from miqd_builder.store.folder import RunFolder
from pipelines.api.fields import Settings, command, run_folder

if TYPE_CHECKING:
    from miqd_builder.benchmarking.filtering import Filtering
    from miqd_builder.benchmarking.report import TaskBenchmark


@dataclass(frozen=True, slots=True)
class Benchmarked:
    """What ``benchmark`` found.

    Attributes:
        report: path or url of the page that it wrote; ``benchmark.md`` and ``benchmark.json`` are beside it.
        tasks: the figures, by task, see :class:`miqd_builder.benchmarking.report.TaskBenchmark`.
        filtering: the filtering curves, if they were asked for, see :class:`miqd_builder.benchmarking.filtering.Filtering`.
        figures: paths or urls of the figures of the filtering curves.
    """

    report: str
    tasks: dict[str, TaskBenchmark]
    filtering: tuple[Filtering, ...] = ()
    figures: tuple[str, ...] = ()


@command
def benchmark(
    out: str | Path | None = None,
    *,
    task: str | None = None,
    measures: str | Sequence[str] | None = None,
    split: str | None = None,
    split_seed: int = 0,
    resamples: int = 1000,
    seed: int = 0,
    filtering: bool = False,
    run: str | Path | None = None,
    settings: Settings = None,
) -> Benchmarked:
    """Say what measures of image quality know about the labels, and write ``report/benchmark.html``, ``.md``, ``.json``.

    docs/benchmark.md defines every figure. PSNR needs no table; ``degradation_mean``, which looks at no picture, is always in.

    Args:
        out: run folder, a path or a url; by default that of the run file.
        task: ``cls``, ``det``, ``ins`` or ``seg``; by default all that have labels.
        measures: names of measures; by default all that have values.
        split: ``test``, ``validation`` or ``train``: only its sources; by default all.
        split_seed: of the split.
        resamples: bootstrap draws for the intervals.
        seed: of the draws, and of the halvings of the models for the noise ceiling.
        filtering: also write filtering curves: ``report/filtering.json``, and a figure (SVG) a task, label and measure.
        run: run file (YAML).
        settings: fields of the run file as ``key=value``.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: there is no run, or the task, the split or a measure is unknown.
        StoreError: there are no labels, or a measure has no values.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> fields = {"degradations": "darkness_?", "limit": 2, "models": "demo_resnet10t", "scheduler": "inline"}
        >>> made = mb.label(task="cls", run="pipelines/demo.yaml", out=tempfile.mkdtemp() + "/run", **fields)
        >>> found = mb.benchmark(made.outs[0], resamples=10).tasks["cls"]
        >>> [(record.measure, record.n) for record in found.overall("composite")]
        [('psnr', 10), ('degradation_mean', 10)]
    """
    from miqd_builder.benchmarking.filtering import filter_task
    from miqd_builder.benchmarking.filtering_report import filtering_page, write_filtering
    from miqd_builder.benchmarking.report import HTML, write_benchmark
    from miqd_builder.benchmarking.run import Selection, benchmark_table, task_tables

    url = run_folder(out, run=run, task=task, settings=settings)
    folder = RunFolder(url)
    selection = Selection([measures] if isinstance(measures, str) else measures, split, split_seed)
    found, curves = [], list["Filtering"]()
    for table in task_tables(folder, [task] if task else None, selection):
        found.append(benchmark_table(folder, table, selection, resamples=resamples, seed=seed))
        curves += filter_task(folder, table) if filtering else []
    figures = write_filtering(folder, curves) if filtering else {}
    write_benchmark(folder, found, filtering_page(curves, figures))
    paths = tuple(f"{url}/{name}" for name in figures)
    return Benchmarked(f"{url}/{HTML}", {one.task: one for one in found}, tuple(curves), paths)
