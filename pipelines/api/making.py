"""``degrade`` and ``label``: the commands that make a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from miqd_builder.errors import ConfigError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.lock import refuse_if_held
from pipelines.api.fields import RunFields, Settings, command, resolve, resolve_tasks
from pipelines.progress.bar import shown

if TYPE_CHECKING:
    from pipelines.planning import LabelPlan, Plan
    from pipelines.regenerated import Regenerated
    from pipelines.work import StageSummary

OnStages = Callable[["Sequence[Plan]", "Sequence[StageSummary]"], None]


@dataclass(frozen=True, slots=True)
class Made:
    """What ``degrade``, ``label`` or ``measure`` did.

    Attributes:
        plans: what there was to do: one plan, or one a task, each with its ``context.config``, the resolved run file.
        stages: what each stage did, in order; none after a dry run.
        regenerated: how the images compare with those of a published data set, where they were rendered from one.
    """

    plans: tuple[Plan, ...]
    stages: tuple[StageSummary, ...]
    regenerated: Regenerated | None = None

    @property
    def outs(self) -> list[str]:
        """Run folders, without repetition: tasks may have folders of their own."""
        return list(dict.fromkeys(plan.context.config.out for plan in self.plans))

    @property
    def failures(self) -> int:
        """Number of quarantined things; the same call tries them again. Regenerated images that differ are some too."""
        return sum(stage.failures for stage in self.stages) + len(self.regenerated.different if self.regenerated else ())

    @property
    def computed(self) -> int:
        """Number of rows computed, of all tables; 0 where everything was there."""
        return sum(stage.computed for stage in self.stages)


@command
def degrade(
    *,
    run: str | Path | None = None,
    task: str | None = None,
    settings: Settings = None,
    dry_run: bool = False,
    contact_sheet: str | Path | None = None,
    published: str | Path | None = None,
    show_progress: bool = False,
    on_plan: Callable[[Plan], None] | None = None,
    **fields: Unpack[RunFields],
) -> Made:
    """Render the degraded images of a run and write its tables ``variants`` and ``candidates``.

    What is there already and up to date is kept, so the same call goes on with an interrupted run. With the scheduler
    ``dask``, the default, a script calls this below ``if __name__ == "__main__":``, as for any worker processes.

    Args:
        run: run file (YAML); without one the fields describe the run alone.
        task: take this task's section of the run file.
        settings: further fields as ``key=value``, see ``miqd degrade --set``; they have the last word.
        dry_run: plan, and write nothing.
        contact_sheet: only draw the first image in all severities, into this PNG file.
        published: folder of a published data set: render its images again, with ``source={"images": folder}`` for the clean
            images, and compare the hash of each with the published one.
        show_progress: show progress on standard error.
        on_plan: called with the plan before anything is written.
        fields: the run file's fields, see :class:`pipelines.api.fields.RunFields`.

    Returns:
        the plan and what its stages did.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: the run file, a field, the source or the run folder is wrong; nothing was written.
        StoreError: the run folder can't be written, or another run is writing there.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> out = tempfile.mkdtemp() + "/run"
        >>> made = mb.degrade(
        ...     source={"kind": "folder", "images": "pipelines/demo/images"},
        ...     degradations=["darkness_1", "darkness_5"],
        ...     limit=2,
        ...     scheduler="inline",
        ...     out=out,
        ... )
        >>> made.computed, made.failures
        (4, 0)
    """
    from pipelines.planning import plan_degrade
    from pipelines.regenerated import check_recipe, compare_pixels, recipe_run_file
    from pipelines.run import run_degrade

    if published is not None:
        if run is not None:
            raise ConfigError("A published data set brings its own run file: leave the other one out.")
        run = recipe_run_file(Path(published), task)
    config = resolve(run, None if published is not None else task, settings, fields)
    if not dry_run and contact_sheet is None:
        refuse_if_held(RunFolder(config.out))
    plan = plan_degrade(config)
    if contact_sheet is not None:
        from pipelines.stages.degrade import write_contact_sheet

        write_contact_sheet(plan.context, Path(contact_sheet))
        return Made((plan,), ())
    if on_plan is not None:
        on_plan(plan)
    if dry_run:
        return Made((plan,), ())
    if published is not None:
        check_recipe(Path(published), config)
    with shown(show_progress):
        stages = tuple(run_degrade(plan))
    return Made((plan,), stages, compare_pixels(config.out, Path(published)) if published is not None else None)


@command
def label(
    *,
    task: str | Sequence[str],
    run: str | Path | None = None,
    settings: Settings = None,
    dry_run: bool = False,
    show_progress: bool = False,
    on_plan: Callable[[Plan], None] | None = None,
    on_stages: OnStages | None = None,
    **fields: Unpack[RunFields],
) -> Made:
    """Run the models on the original and degraded images and write ``responses``, ``scores`` and ``labels``.

    Variants that are missing are made first (see :func:`degrade`). What is there already and up to date is kept, so the same
    call goes on with an interrupted run, and another recipe runs no model again. Tasks that share their images are
    carried out at once.

    Args:
        task: ``cls``, ``det``, ``ins`` or ``seg``, several of them, or ``all``: every task that the run file describes.
        run: run file (YAML); without one the fields describe the run alone.
        settings: further fields as ``key=value``, see ``miqd label --set``; they have the last word.
        dry_run: plan, and write nothing.
        show_progress: show progress on standard error.
        on_plan: called with each task's plan before anything is written.
        on_stages: called with the plans of tasks that were carried out at once and what their stages did.
        fields: the run file's fields, see :class:`pipelines.api.fields.RunFields`.

    Returns:
        a plan a task, and what the stages did.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: a task, the run file, a field, the source, a model or the run folder is wrong; nothing was written.
        StoreError: the run folder can't be written, or another run is writing there.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> made = mb.label(
        ...     task="cls",
        ...     run="pipelines/demo.yaml",
        ...     models="demo_resnet10t",
        ...     degradations=["darkness_1", "darkness_5"],
        ...     limit=1,
        ...     scheduler="inline",
        ...     out=tempfile.mkdtemp() + "/run",
        ... )
        >>> [(stage.stage, stage.computed) for stage in made.stages]
        [('degrade', 2), ('respond', 3), ('score', 3), ('label', 2)]
        >>> mb.open_run(made.outs[0]).labels("cls").num_rows
        2
    """
    from pipelines.planning import plan_label

    configs = resolve_tasks(run, task, settings, fields)
    if not dry_run:
        for url in dict.fromkeys(config.out for config in configs.values()):
            refuse_if_held(RunFolder(url))
    plans = [plan_label(config, known) for known, config in configs.items()]
    if on_plan is not None:
        for plan in plans:
            on_plan(plan)
    if dry_run:
        return Made(tuple(plans), ())
    with shown(show_progress):
        return Made(tuple(plans), tuple(_carry_out(plans, on_stages)))


def _carry_out(plans: Sequence[LabelPlan], on_stages: OnStages | None) -> list[StageSummary]:
    from pipelines.planning import plan_label, sharing_images
    from pipelines.run import run_label
    from pipelines.schedulers.shared import OpenSchedulers

    stages: list[StageSummary] = []
    with OpenSchedulers() as schedulers:
        for number, group in enumerate(sharing_images(plans)):
            # What was made in the same folder before doesn't have to be made again.
            now = [plan_label(plan.context.config, plan.task) for plan in group] if number else group
            done = run_label(now, schedulers)
            stages += done
            if on_stages is not None:
                on_stages(group, done)
    return stages
