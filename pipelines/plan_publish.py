"""Plan a publication: which files there will be, which are there already, and what is in the way."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from miqd_builder.errors import ConfigError
from miqd_builder.formats.contract import Format
from miqd_builder.formats.publication.described import ImagePolicy, Publication, PublishedRun, Release
from miqd_builder.formats.publication.licences import check_licence, image_policy
from miqd_builder.formats.publication.manifest import Manifest, identities, read_manifest, refuse_another
from miqd_builder.formats.publication.shard import Shard, WrittenShard
from miqd_builder.formats.registry import publisher_of
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.streams import file_sha256
from miqd_builder.tasks import Task
from pipelines.published_runs import open_published_run

FIRST_VERSION = "1.0.0"
DEFAULT_SAMPLE = 4
"""Source images whose pixels a sample has."""
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_PREVIEW_ORDER: tuple[Task, ...] = ("det", "ins", "cls", "seg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a user asks for.

    Attributes:
        outs: run folders.
        to: target, a path or a url.
        licence, images, title, creator, origins, split_seed: as in :class:`Publication`; None, or no origins, for what the runs
            and the target suggest.
        sample: number of sources whose images are embedded with ``images: sample``.
        version, changelog: of this release.
        allow_incomplete: whether unfinished runs are published, which the card then says.
        may_pass_on: whether the user said that restricted images may be passed on.
    """

    outs: tuple[str, ...]
    to: str
    licence: str | None = None
    images: ImagePolicy | None = None
    title: str | None = None
    creator: str | None = None
    origins: tuple[str, ...] = ()
    split_seed: int | None = None
    sample: int | None = None
    version: str | None = None
    changelog: str | None = None
    allow_incomplete: bool = False
    may_pass_on: bool = False


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """Plan of ``publish``; nothing was written yet.

    Attributes:
        publication: what is published.
        form: name of the format.
        target: where to.
        before: what the target holds.
        shards: data files.
        done: those that are there, made from the same.
        may_pass_on: as in :class:`Wishes`.
    """

    publication: Publication
    form: str
    target: RunFolder
    before: Manifest | None
    shards: tuple[Shard, ...]
    done: Mapping[str, WrittenShard]
    may_pass_on: bool

    @property
    def todo(self) -> list[Shard]:
        """Files that have to be written, or looked at."""
        return [shard for shard in self.shards if shard.path not in self.done]


def plan_publish(form: Format, wishes: Wishes) -> PublishPlan:
    """Find out what ``publish`` has to do.

    Raises:
        ConfigError: something that was asked for is missing or wrong, or the target holds another data set.
        StoreError: a run folder or the target is damaged.
    """
    publisher = publisher_of(form)
    target = RunFolder(wishes.to)
    before = read_manifest(target)
    publication = describe(wishes, before, publisher.images)
    refuse_another(target, before, form.name, identities(publication))
    shards = tuple(publisher.shards(publication))
    return PublishPlan(publication, form.name, target, before, shards, _done(target, before, shards), wishes.may_pass_on)


def describe(wishes: Wishes, before: Manifest | None, images: ImagePolicy) -> Publication:
    """Return the publication that was asked for.

    Args:
        wishes: what was asked for.
        before: what the target holds.
        images: whose images the format embeds by default.

    Raises:
        ConfigError: as for :func:`plan_publish`.
    """
    licence = check_licence(wishes.licence or (before.licence if before else None))
    seed = wishes.split_seed if wishes.split_seed is not None else before.split_seed if before else 0
    runs = tuple(open_published_run(url, seed) for url in wishes.outs)
    _refuse_mixed(runs)
    incomplete = next((run for run in runs if run.missing), None)
    if incomplete is not None and not wishes.allow_incomplete:
        raise ConfigError(
            f"Run '{incomplete.url}' is not finished: {'; '.join(incomplete.missing)}. Run the same 'miqd label' again, or "
            "publish what is there with --allow-incomplete, which the card then says."
        )
    kinds = [kind for run in runs for kind in run.source_kinds]
    default = _policy(before.images) if before else images
    policy = image_policy(wishes.images, kinds, default, may_pass_on=wishes.may_pass_on or bool(before and before.may_pass_on))
    title = wishes.title or (before.title if before else f"MIQD {RunFolder(wishes.to).root.rpartition('/')[2]}")
    return Publication(
        title=title,
        licence=licence,
        runs=runs,
        images=policy,
        sample=_sample(runs, wishes.sample or (before.sample if before else DEFAULT_SAMPLE)),
        releases=_releases(wishes, before),
        split_seed=seed,
        preview_model=_preview_model(runs, before),
        creator=wishes.creator or (before.creator if before else "unnamed"),
        origins=wishes.origins or tuple(before.origins if before else ()),
        annotations_sha256=_annotations(runs),
    )


def _policy(name: str) -> ImagePolicy:
    known: tuple[ImagePolicy, ...] = ("sample", "all", "none")
    return next(policy for policy in known if policy == name)


def _refuse_mixed(runs: Sequence[PublishedRun]) -> None:
    """Refuse runs that are not one data set."""
    recipe_of: dict[str, str] = {}
    owner: dict[str, str] = {}
    for run in runs:
        for own in run.tasks:
            recipe_of.setdefault(own.recipe, run.url)
        for split in run.splits.values():
            for source_id in split:
                other = owner.setdefault(source_id, run.url)
                if other != run.url:
                    raise ConfigError(f"'{other}' and '{run.url}' both have the image '{source_id}': publish them apart.")
    if len(recipe_of) > 1:
        (one, first), (other, second) = list(recipe_of.items())[:2]
        raise ConfigError(
            f"Labels of recipe {one} ('{first}') and of recipe {other} ('{second}') are not one data set: label both with one "
            "recipe, or publish them apart."
        )


def _releases(wishes: Wishes, before: Manifest | None) -> tuple[Release, ...]:
    version = wishes.version or (before.releases[0].version if before else FIRST_VERSION)
    if not _VERSION.fullmatch(version):
        raise ConfigError(f"Version '{version}': expected MAJOR.MINOR.PATCH, such as 1.1.0.")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    if before is None:
        return (Release(version, today, wishes.changelog or "First version."),)
    newest = before.releases[0]
    if version == newest.version:
        if wishes.changelog and wishes.changelog != newest.text:
            raise ConfigError(f"Version {version} is published already: give its changelog a new --version.")
        return tuple(before.releases)
    if _numbers(version) < _numbers(newest.version):
        raise ConfigError(f"Version {version} is older than the published {newest.version}: choose a higher one.")
    if not wishes.changelog:
        raise ConfigError(f"What changed in version {version}? Give --changelog TEXT.")
    return (Release(version, today, wishes.changelog), *before.releases)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _sample(runs: Sequence[PublishedRun], count: int) -> frozenset[str]:
    """So many sources of each run, those of smallest hash."""
    chosen: set[str] = set()
    for run in runs:
        ids = [source_id for split in run.splits.values() for source_id in split]
        chosen |= set(sorted(ids, key=lambda i: hashlib.sha256(f"sample {i}".encode()).hexdigest())[:count])
    return frozenset(chosen)


def _preview_model(runs: Sequence[PublishedRun], before: Manifest | None) -> tuple[Task, str] | None:
    """The model that the preview has already, else the first one of the task that shows most."""
    models = {own.task: own.models for run in runs for own in run.tasks}
    kept = before.preview_model if before else None
    for task in _PREVIEW_ORDER:
        if kept and kept[0] == task and kept[1] in models.get(task, ()):
            return task, kept[1]
    return next(((task, models[task][0]) for task in _PREVIEW_ORDER if models.get(task)), None)


def _annotations(runs: Sequence[PublishedRun]) -> tuple[str, ...]:
    """Hashes of the annotation files, which state the licences of photographs."""
    files = {str(config.source.annotations): config.source.annotations for run in runs for config in run.configs}
    found = set()
    for file in files.values():
        if file is not None and file.is_file():
            found.add(file_sha256(RunFolder(str(file.parent)), file.name))
    return tuple(sorted(found))


def _done(target: RunFolder, before: Manifest | None, shards: Sequence[Shard]) -> dict[str, WrittenShard]:
    if before is None:
        return {}
    sizes = target.sizes()
    done = {}
    for shard in shards:
        written = before.written(shard.path)
        if written is not None and written.inputs == shard.inputs and sizes.get(shard.path) == written.size:
            done[shard.path] = replace(written, new=False)
    return done
