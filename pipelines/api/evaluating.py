"""``evaluate``: the command that compares quality models, and classical measures, with labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.api.fields import RunFields, Settings, command, run_folder

if TYPE_CHECKING:
    from machine_iqa.evaluation.run import Evaluation
    from pipelines.work import StageSummary


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What ``evaluate`` found.

    Attributes:
        report: the page that it wrote, with ``evaluation.json`` and ``evaluation.tex`` beside it.
        evaluation: all records, see :class:`machine_iqa.evaluation.run.Evaluation`.
        stages: what scoring the images took, a run folder each.
    """

    report: Path
    evaluation: Evaluation
    stages: tuple[StageSummary, ...]


@command
def evaluate(
    models: str | Path | Sequence[str | Path],
    outs: str | Path | Sequence[str | Path],
    *,
    to: str | Path | None = None,
    measures: Sequence[str] | None = None,
    split: str | None = None,
    split_seed: int = 0,
    resamples: int = 1000,
    seed: int = 0,
    scheduler: str | None = None,
    workers: int | None = None,
    settings: Settings = None,
    show_progress: bool = False,
) -> Evaluated:
    """Let quality models score the images of runs, and compare the scores and other measures with the labels.

    Scores go into the runs' table ``measures``, part by part: what is there and up to date is kept. Sources that a model has
    learned from, or was chosen on, count in no figure.

    Args:
        models: files that ``miqd train`` wrote, or names of models; none to compare the measures that are there.
        outs: run folders with labels; all that have a task are taken together.
        to: folder for the report; by default ``report`` of the first run folder, which must then be a local one.
        measures: names of measures beside the models; by default all that are there.
        split: only the sources of ``test``, ``validation`` or ``train``; by default all that no model has seen.
        split_seed: of the split.
        resamples: bootstrap draws for the intervals.
        seed: of the draws, and of the halvings of the models.
        scheduler: ``inline`` (this process), ``dask`` or ``tcp://host:port``; by default that of the run.
        workers: worker processes.
        settings: fields of the runs as ``key=value``.
        show_progress: show progress on standard error.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: a model or a measure is unknown, a run folder isn't there, or no source is left.
        StoreError: there are no labels, or a part is damaged.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> fields = {"degradations": "darkness_?", "models": "demo_resnet10t", "scheduler": "inline", "images": "none"}
        >>> made = mb.label(task="cls", run="pipelines/demo.yaml", out=tempfile.mkdtemp() + "/run", **fields)
        >>> found = mb.evaluate("miqa-small", made.outs, resamples=5)
        >>> found.evaluation.tasks[0].images, found.report.name
        (40, 'evaluation.md')
    """
    from machine_iqa.evaluation.learned import all_learned
    from machine_iqa.evaluation.report import write_evaluation
    from machine_iqa.evaluation.run import evaluate_models
    from miqd_builder.errors import ConfigError
    from pipelines.api.measuring import recorded_config
    from pipelines.plan_measure import plan_measure
    from pipelines.progress.bar import shown
    from pipelines.run_measure import run_measure

    found = all_learned([str(model) for model in ([models] if isinstance(models, str | Path) else models)])
    urls = [run_folder(out) for out in ([outs] if isinstance(outs, str | Path) else outs)]
    if not urls:
        raise ConfigError("Evaluate on what? Give one or more run folders.")
    if to is None and "://" in urls[0]:
        raise ConfigError("Where should the report go? Give --to a local folder.")
    records = [measure for model in found for measure in model.measures.values()]
    plans = []
    for url in urls if records else ():
        fields: RunFields = {"out": url, "scheduler": scheduler, "workers": workers}
        plans.append(plan_measure(recorded_config(None, None, settings, fields), records))
    with shown(show_progress):
        stages = [summary for plan in plans for summary in run_measure(plan)]
    evaluation = evaluate_models(
        urls, found, measures=measures, split=split, split_seed=split_seed, resamples=resamples, seed=seed
    )
    report = write_evaluation(evaluation, Path(to) if to is not None else Path(urls[0]) / "report")
    return Evaluated(report, evaluation, tuple(stages))
