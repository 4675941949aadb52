"""Open a source by its kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from miqd_builder.errors import ConfigError
from miqd_builder.registry import Registry
from miqd_builder.sources.base import SourceSet
from miqd_builder.sources.config import SourceConfig
from miqd_builder.sources.files import id_problem, printable
from miqd_builder.tasks import TASKS, Task


@dataclass(frozen=True)
class SourceKind:
    """A kind of sources.

    Attributes:
        open: lists a source: the section ``source`` of a run file in, images with their ground truth out.
        tasks: tasks that may be run on it; one without ground truth gets labels of consistency only.
    """

    open: Callable[[SourceConfig], SourceSet]
    tasks: tuple[Task, ...] = TASKS


SOURCES: Registry[SourceKind] = Registry(
    "source kind",
    "miqd.sources",
    {
        "imagenet": "miqd_builder.sources.imagenet:IMAGENET",
        "coco": "miqd_builder.sources.coco:COCO",
        "folder": "miqd_builder.sources.folder:FOLDER",
        "published": "miqd_builder.sources.published:PUBLISHED",
    },
)
"""Kinds of sources by name."""


def open_source(config: SourceConfig) -> SourceSet:
    """List a source's images with their ground truth; no image is decoded.

    Raises:
        ConfigError: a file is missing or wrong; the message names it and the remedy.
    """
    if not SOURCES.shipped(config.kind):
        return _checked(config.kind, SOURCES[config.kind].open(config))
    if config.options:
        raise ConfigError(f"source.options is for kinds of other packages: source.kind '{config.kind}' takes none. Remove it.")
    return SOURCES[config.kind].open(config)


def check_serves(config: SourceConfig, task: Task) -> None:
    """Refuse a task that the source's kind doesn't serve.

    Raises:
        ConfigError: says which kinds do.
    """
    if task in SOURCES[config.kind].tasks:
        return
    serving = [
        name for name in SOURCES.names() if SOURCES.shipped(name) and name != config.kind and task in SOURCES[name].tasks
    ]
    raise ConfigError(
        f"Task '{task}' has no ground truth in source.kind {config.kind}: use source.kind {' or '.join(serving)}. Of images "
        "without ground truth only the consistency is known."
    )


def refuse_category_ids(config: SourceConfig) -> None:
    """Refuse ``source.category_ids`` where there are no label PNGs.

    Raises:
        ConfigError: they are given.
    """
    if config.category_ids is not None:
        raise ConfigError(
            "source.category_ids says what label PNGs hold: use it with source.kind folder and source.labels, their folder."
        )


def _checked(kind: str, sources: object) -> SourceSet:
    """Refuse a result of another package's kind that breaks the contract of sources."""
    if not isinstance(sources, SourceSet):
        raise ConfigError(f"Source kind '{kind}' returned {type(sources).__name__}: expected a SourceSet.")
    if not sources.images:
        raise ConfigError(f"Source kind '{kind}' found no image.")
    for source_id, count in Counter(image.source_id for image in sources.images).items():
        problem = "is the id of two images" if count > 1 else id_problem(source_id)
        if problem:
            raise ConfigError(f"Source kind '{kind}': '{printable(source_id)}' {problem}.")
    if list(sources.by_id) != sorted(sources.by_id):
        raise ConfigError(f"Source kind '{kind}' returned images that aren't sorted by id.")
    return sources
