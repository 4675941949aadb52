"""Publish in a format of many small files, those that ``miqd export`` writes, with a card and a manifest."""

from __future__ import annotations

from pathlib import Path

from miqd_builder.errors import ConfigError
from miqd_builder.formats.contract import Format
from miqd_builder.formats.publication import card
from miqd_builder.formats.publication.manifest import NAME, identities, read_manifest, refuse_another
from miqd_builder.formats.publication.recipe import recipe_files
from miqd_builder.formats.registry import writer_of
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.keys import CommandKey
from miqd_builder.store.lock import RunLock
from pipelines.plan_publish import PublishPlan, Wishes, describe
from pipelines.run_publish import PublishSummary, manifest_of
from pipelines.stages.export import Split, export_run, recorded_config

VALIDATION = 0.2
"""Share of the validation split in formats that have two splits."""


def plan_tree(form: Format, wishes: Wishes) -> PublishPlan:
    """Find out what is to be published; which files there will be is not counted.

    Raises:
        ConfigError: as for :func:`pipelines.plan_publish.plan_publish`, or the target is no folder of this machine.
    """
    writer = writer_of(form)
    target = RunFolder(wishes.to)
    if not target.local:
        raise ConfigError(f"Format {form.name} is written to a folder of this machine, not to '{wishes.to}': give a path.")
    if wishes.images == "sample":
        raise ConfigError(f"Format {form.name} has all images or none: give --images all or --images none.")
    before = read_manifest(target)
    publication = describe(wishes, before, "all" if writer.images else "none")
    if not any(own.task in form.tasks for own in publication.tasks):
        raise ConfigError(f"Format {form.name} holds {', '.join(form.tasks)}: none of them has labels here.")
    tasks = [own.task for own in publication.tasks]
    twice = next((task for task in tasks if tasks.count(task) > 1), None)
    if twice is not None:
        raise ConfigError(f"Two runs have labels of task {twice}: format {form.name} takes one. Publish them apart.")
    refuse_another(target, before, form.name, identities(publication))
    return PublishPlan(publication, form.name, target, before, (), {}, wishes.may_pass_on)


def run_tree(plan: PublishPlan, form: Format, *, scheduler: str | None, workers: int | None) -> PublishSummary:
    """Write the files that are missing or wrong.

    Raises:
        MiqdError: as for :func:`pipelines.stages.export.export_run`.
    """
    target, publication = plan.target, plan.publication
    failed: list[str] = []
    rows = 0
    with RunLock(target, CommandKey("publish")):
        there = set(target.sizes())
        target.write(NAME, manifest_of(plan, {}, finished=False).encode())
        for run in publication.runs:
            for own in run.tasks:
                if own.task not in form.tasks:
                    continue
                config = recorded_config(run.url, own.task, [], scheduler=scheduler, workers=workers)
                if scheduler is None and config.images == "png":
                    config = config.model_copy(update={"scheduler": "inline"})
                split = Split(VALIDATION, publication.split_seed)
                done = export_run(config, own.task, Path(target.root), split, form, images=publication.images != "none")
                failed += done.failed
                rows += done.images or sum(len(ids) for ids in run.splits.values()) * len(run.record.degradations)
        if not failed:
            small = {**recipe_files(publication, None), card.NAME: card.card(publication, (), str, _loading(form.name))}
            for name, content in small.items():
                target.write(name, content)
            target.write(NAME, manifest_of(plan, {}, finished=True).encode())
        sizes = target.sizes()
        new = [name for name in sizes if name not in there]
        return PublishSummary(len(sizes), sum(sizes.values()), tuple(new), sum(sizes[n] for n in new), (), rows, tuple(failed))


def _loading(form: str) -> card.Loading:
    text = f"`miqd import --format {form} . --out RUN` reads the labels; docs/formats.md of miqd-builder describes the files."
    return lambda config, split: text
