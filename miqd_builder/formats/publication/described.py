"""A publication as it was asked for: of which runs, with which images, under which licence and version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from miqd_builder.config import RunConfig
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.splits import SplitName
from miqd_builder.tasks import Task

ImagePolicy = Literal["sample", "all", "none"]


@dataclass(frozen=True, slots=True)
class PublishedTask:
    """The labels of one task.

    Attributes:
        task: which one.
        models: those with scores, sorted.
        recipe: rules of the labels.
        weights: of the models, by name, as the labels' lineage says; empty for imported labels.
    """

    task: Task
    models: tuple[str, ...]
    recipe: str
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PublishedRun:
    """One run folder of a publication.

    Attributes:
        url: of the folder.
        record: its ``run.json``.
        configs: run files of the commands that made it, the first one first.
        tasks: that have labels.
        measures: that have values, sorted.
        splits: source ids by split, in the order of the run's parts.
        missing: what an unfinished run lacks, a line each; empty for a finished one.
    """

    url: str
    record: RunRecord
    configs: tuple[RunConfig, ...]
    tasks: tuple[PublishedTask, ...]
    measures: tuple[str, ...]
    splits: Mapping[SplitName, tuple[str, ...]]
    missing: tuple[str, ...] = ()

    @property
    def config(self) -> RunConfig:
        """The run file that the images were made with."""
        return self.configs[0]

    @property
    def source_kinds(self) -> tuple[str, ...]:
        """Kinds of the sources that its commands named."""
        return tuple(dict.fromkeys(config.source.kind for config in self.configs))


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a data set.

    Attributes:
        version: ``MAJOR.MINOR.PATCH``.
        date: ``YYYY-MM-DD``.
        text: what changed.
    """

    version: str
    date: str
    text: str


@dataclass(frozen=True, slots=True)
class Publication:
    """What is to be published.

    Attributes:
        title: of the data set.
        licence: an identifier that the Hub knows, or the address of a licence.
        runs: the run folders.
        images: whose pixels are embedded.
        sample: sources whose images are embedded with ``sample``, and shown in previews.
        releases: all versions, the newest first.
        split_seed: of the splits.
        preview_model: whose predictions the preview shows, by task; kept from version to version.
        creator: who publishes it.
        origins: data sets that the clean images come from, a name and maybe an address each; empty for what the kinds suggest.
        annotations_sha256: hashes of the files that state the licences of photographs.
    """

    title: str
    licence: str
    runs: tuple[PublishedRun, ...]
    images: ImagePolicy
    sample: frozenset[str]
    releases: tuple[Release, ...]
    split_seed: int = 0
    preview_model: tuple[Task, str] | None = None
    creator: str = ""
    origins: tuple[str, ...] = ()
    annotations_sha256: tuple[str, ...] = ()

    @property
    def release(self) -> Release:
        """The newest version."""
        return self.releases[0]

    @property
    def tasks(self) -> tuple[PublishedTask, ...]:
        """Tasks of all runs."""
        return tuple(task for run in self.runs for task in run.tasks)

    @property
    def missing(self) -> tuple[str, ...]:
        """What unfinished runs lack."""
        return tuple(line for run in self.runs for line in run.missing)

    def sources(self) -> int:
        """Return the number of source images."""
        return sum(len(ids) for run in self.runs for ids in run.splits.values())

    def images_in_all(self) -> int:
        """Return the number of degraded images."""
        return sum(len(run.record.degradations) * len(ids) for run in self.runs for ids in run.splits.values())
