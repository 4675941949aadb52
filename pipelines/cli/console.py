"""What the commands show on a terminal."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from miqd_builder.auditing import statistics
from miqd_builder.store.folder import RunFolder
from miqd_builder.zoo.build import engine_of, precision_of
from pipelines.cli.terminal import out

if TYPE_CHECKING:
    from pipelines.api import TaskAudit, VerifiedFile
    from pipelines.planning import LabelPlan, Plan
    from pipelines.regenerated import Regenerated
    from pipelines.work import StageSummary

MAX_NOTES = 5
MAX_MODELS = 12
BYTES_PER_IMAGE = 600_000
"""Stored size of a degraded image, about that of a noisy 500x375 PNG; for the estimate of a plan."""


def show_plan(plan: Plan) -> None:
    """Print a plan."""
    from pipelines.plan_measure import MeasurePlan
    from pipelines.planning import LabelPlan

    context, config = plan.context, plan.context.config
    todo = plan.images_in(plan.degrade)
    out.print(f"Run folder   {config.out}")
    out.print(
        f"Source       {config.source.kind}, {plan.sources} of {len(context.sources.images)} images in {len(plan.parts)} parts"
    )
    show_notes(context.sources.notes)
    for file in context.sources.refused:
        out.print(f"Left out     {file.name} {file.reason}", style="yellow", markup=False)
    size = f", about {todo * BYTES_PER_IMAGE / 1e9:.1f} GB" if config.images == "png" and todo else ""
    out.print(
        f"Variants     {len(context.names)} an image: {plan.images_in(plan.parts)} in all, {todo} to render{size} "
        f"({len(plan.parts) - len(plan.degrade)} of {len(plan.parts)} parts done)"
    )
    if isinstance(plan, LabelPlan):
        _show_models_of(plan)
    if isinstance(plan, MeasurePlan):
        for name, parts in plan.measure.items():
            done = f"{len(plan.parts) - len(parts)} of {len(plan.parts)} parts done"
            out.print(f"Measure      {name}: {plan.images_in(parts)} images to measure ({done})")
    out.print(f"Scheduler    {config.scheduler}, device {config.device}")


def _show_models_of(plan: LabelPlan) -> None:
    """Print what each model of a plan has to do."""
    config = plan.context.config
    for entry in plan.entries:
        parts = plan.respond[entry.name]
        done = f"{len(plan.parts) - len(parts)} of {len(plan.parts)} parts done"
        precision = [] if config.precision == "float32" else [precision_of(entry, config.precision)]
        engine = [] if config.engine == "torch" else [engine_of(entry, config.engine)]
        how = ", ".join([entry.backend, *precision, *engine])
        out.print(f"Model        {entry.name} ({how}): {plan.inferences_in(parts)} inferences to run ({done})")
    out.print(f"Labels       recipe {config.recipe}, weights {config.weights}, over {len(plan.entries)} models")


def show_stages(stages: Sequence[StageSummary]) -> None:
    """Print what was done, a line a stage."""
    table = Table(box=None, pad_edge=False)
    for column, justify in [
        ("stage", "left"),
        *((c, "right") for c in ("parts", "done before", "computed", "kept", "quarantined", "time", "rate")),
    ]:
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for stage in stages:
        rate = f"{stage.computed / stage.wall_s:.1f}/s" if stage.computed and stage.wall_s else ""
        cells = (stage.parts, stage.done_before, stage.computed, stage.reused, stage.failures, f"{stage.wall_s:.1f} s", rate)
        table.add_row(stage.title, *map(str, cells))
    out.print(table)
    for stage in stages:
        if stage.seconds:
            out.print(f"Worker time in {stage.title}: {by_step(stage.seconds)}")
            _show_models(stage.seconds)
        show_notes(stage.notes)
    failures = sum(stage.failures for stage in stages)
    if failures:
        out.print(f"{failures} quarantined: 'miqd status --failed' names them, the next run tries them again.", style="yellow")


def show_regenerated(found: Regenerated) -> None:
    """Print how regenerated images compare with the published ones."""
    out.print(f"{found.equal} images have the published pixels, {found.missing} were not rendered.")
    if found.different:
        first = ", ".join(found.different[:MAX_NOTES])
        out.print(f"{len(found.different)} images differ from the published ones: {first}.", style="red")


def by_step(seconds: Mapping[str, float]) -> str:
    """Return the seconds of each step, summed over the models, the longest first."""
    steps: Counter[str] = Counter()
    for key, spent in seconds.items():
        steps[key.partition(":")[0]] += spent  # type: ignore[assignment]
    return ", ".join(f"{step} {spent:.1f} s" for step, spent in steps.most_common())


def _show_models(seconds: Mapping[str, float]) -> None:
    """Print the time of each model by step, the slowest first."""
    models: dict[str, dict[str, float]] = defaultdict(dict)
    for key, spent in seconds.items():
        step, of_model, model = key.partition(":")
        if of_model:
            models[model][step] = spent
    slowest = sorted(models, key=lambda model: -sum(models[model].values()))
    for model in slowest[:MAX_MODELS]:
        out.print(f"  {model}: {by_step(models[model])}")
    if len(slowest) > MAX_MODELS:
        out.print(f"  ... and {len(slowest) - MAX_MODELS} faster models")


def show_notes(notes: Sequence[str]) -> None:
    """Print what a user should know, the first few of many."""
    for note in notes[:MAX_NOTES]:
        out.print(f"Note         {note}", style="yellow")
    if len(notes) > MAX_NOTES:
        out.print(f"Note         ... and {len(notes) - MAX_NOTES} more like this.", style="yellow")


def hint(text: str) -> None:
    """Print where the results are and what to do next."""
    out.print(text, style="green")


def show_labelled(plans: Sequence[Plan], stages: Sequence[StageSummary]) -> None:
    """Print what the stages of some tasks did, and the labels of each."""
    show_stages(stages)
    for plan in plans:
        url, task = plan.context.config.out, plan.command.task
        assert task is not None
        show_labels(url, task)
        hint(f"Labels are in {url}/labels/task={task}. Next: miqd audit --out {url}")


def show_labels(url: str, task: str) -> None:
    """Print the mean label of each distortion at each uniform severity."""
    _show_severities(task, statistics.severity_table(RunFolder(url), task))


def _show_severities(task: str, rows: statistics.Rows) -> None:
    cells = {(row["distortion"], row["severity"]): row for row in rows}
    title = f"{task}: mean consistency at uniform severity 1..5 (accuracy in brackets)"
    _print_grid(title, list(dict.fromkeys(row["distortion"] for row in rows)), range(1, 6), cells)


def show_audit(task: str, found: TaskAudit) -> None:
    """Print what :func:`show_labels` prints, the mean label of each distortion in each region, and the run's statistics."""
    _show_severities(task, found.severities)
    cells = {(row["distortion"], row["region"]): row for row in found.regions}
    title = f"{task}: mean consistency by where the distortion is stronger (accuracy in brackets)"
    names = list(dict.fromkeys(row["distortion"] for row in found.regions))
    _print_grid(title, names, ("uniform", "roi", "background"), cells)
    out.print(f"{task}: " + ", ".join(f"{name} {value:.4g}" for name, value in found.statistics.items()))


def _print_grid(title: str, names: Sequence[str], columns: Sequence[Any], cells: dict[tuple[str, Any], dict[str, Any]]) -> None:
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("distortion")
    for column in columns:
        table.add_column(str(column), justify="right")
    for name in names:
        table.add_row(name, *(_cell(cells.get((name, column))) for column in columns))
    out.print(table)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    consistency, accuracy = ("-" if row[name] is None else f"{row[name]:.2f}" for name in ("consistency", "accuracy"))
    return f"{consistency} ({accuracy})"


class VerificationLines:
    """Prints what is wrong as it is found, and how many files were read, then how many parts were computed again."""

    def __init__(self) -> None:
        self._count = self._problems = 0
        self._recomputed = False

    def show(self, file: VerifiedFile) -> None:
        """Print the problem of a file, if it has one."""
        if file.recomputed and not self._recomputed:
            self.end()
            self._recomputed = True
        self._count += 1
        if file.problem is not None:
            self._problems += 1
            out.print(f"{file.name} {file.problem}.", style="red")

    def end(self) -> None:
        """Print how much was checked; nothing where nothing was."""
        if not self._count:
            return
        done = "Computed again and compared" if self._recomputed else "Checked"
        style = "red" if self._problems else "green"
        out.print(f"{done} {self._count} files, {self._problems} with problems.", style=style)
        self._count = self._problems = 0
