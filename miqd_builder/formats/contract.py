"""What a format of labels and images offers, so that ``miqd import`` and ``miqd export`` know it by name.

A format defines which files there are and their contents. Reading the run, rendering images, scheduling, writing and resuming
are common to all formats, so that a format is a handful of functions that write nothing themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.tasks import Task

if TYPE_CHECKING:
    import pyarrow as pa

    from miqd_builder.formats.publication.content import RunContent
    from miqd_builder.formats.publication.described import ImagePolicy, Publication
    from miqd_builder.formats.publication.shard import Shard, WrittenShard
    from miqd_builder.sources import SourceImage
    from miqd_builder.sources.config import SourceConfig
    from miqd_builder.store.folder import RunFolder
    from miqd_builder.store.record import RunRecord
    from miqd_builder.store.streams import HashedStream

Sources = Mapping[str, tuple[Path, ...]]
"""Files that hold the labels of a source image, by its id."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How labels are read.

    Attributes:
        tasks_in: ``tasks_in(folder)``: tasks that the folder given to ``miqd import`` holds in this format.
        sources: ``sources(folder, task)``: the source images with the files that hold their labels, which may be shared. Raises
            ConfigError where there are none.
        labels: ``labels(task, sources)``: label rows of some of them, source by source, as
            :func:`~miqd_builder.formats.labels.labels_table` makes them. Raises ConfigError that names what is wrong in a file.
    """

    tasks_in: Callable[[Path], list[Task]]
    sources: Callable[[Path, Task], Sources]
    labels: Callable[[Task, Sources], pa.Table]


@dataclass(frozen=True, slots=True)
class ExportedRun:
    """A labelled task of a run, as far as the files of a whole export need it.

    Attributes:
        task: which task.
        url: of the run folder.
        record: of the run folder.
        source: the run file's section.
        images: the labelled source images by id.
        labels: reads the label tables, part by part.
        train, val: ids of the two splits, each in order; sources without a composite are in neither if others have one.
        val_fraction, split_seed: how the splits were drawn.
        recipes: of the labels.
        weights: of the models behind the labels.
    """

    task: Task
    url: str
    record: RunRecord
    source: SourceConfig
    images: Mapping[str, SourceImage]
    labels: Callable[[], Iterable[pa.Table]]
    train: tuple[str, ...]
    val: tuple[str, ...]
    val_fraction: float
    split_seed: int
    recipes: tuple[str, ...]
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ImagePlaces:
    """Where images go, as paths below ``--to`` with forward slashes.

    Attributes:
        record: ``record(task)``: a JSON file that identifies the run of the images. Tasks whose images are the same files share
            it.
        original: ``original(task, image)``: copy of a source image, byte for byte. No two images may share it.
        degraded: ``degraded(task, source_id, degradation)``: a PNG.
    """

    record: Callable[[Task], str]
    original: Callable[[Task, SourceImage], str]
    degraded: Callable[[Task, str, str], str]


def _no_files(task: Task, labels: pa.Table, scores: Mapping[str, pa.Table]) -> dict[str, bytes]:
    return {}


@dataclass(frozen=True, slots=True)
class Writer:
    """How labels are written, as contents by path below ``--to``.

    Attributes:
        run_files: ``run_files(run)``: files of the whole run, written last: their contents, or files to be copied.
        label_files: ``label_files(task, labels, scores)``: files of one source, of its label rows and, by model, the score rows
            of the same images in the same order.
        images: where images go; None for a format of labels alone.
        scored: tasks whose label files hold scores of single models; the others are given none.
    """

    run_files: Callable[[ExportedRun], Mapping[str, bytes | Path]]
    label_files: Callable[[Task, pa.Table, Mapping[str, pa.Table]], Mapping[str, bytes]] = _no_files
    images: ImagePlaces | None = None
    scored: tuple[Task, ...] = ()


@dataclass(frozen=True, slots=True)
class Publisher:
    """How whole runs are published as a few large files, for ``miqd publish``.

    Attributes:
        shards: ``shards(publication)``: the data files, each with the hash of what it is made from.
        write: ``write(shard, content, stream, report)``: one of them, front to back; returns its number of rows. ``report`` is
            called with the number of rows done since the last call.
        stored_inputs: ``stored_inputs(target, path)``: the hash of what a file that is there was made from; None if it isn't
            there whole.
        stored_rows: ``stored_rows(target, path)``: its number of rows.
        whole_files: ``whole_files(publication, shards, written)``: card, recipe and other small files, written last.
        images: whose images are embedded unless the user says so.
    """

    shards: Callable[[Publication], Sequence[Shard]]
    write: Callable[[Shard, RunContent, HashedStream, Callable[[int], None]], int]
    stored_inputs: Callable[[RunFolder, str], str | None]
    stored_rows: Callable[[RunFolder, str], int]
    whole_files: Callable[[Publication, Sequence[Shard], Mapping[str, WrittenShard]], Mapping[str, bytes]]
    images: ImagePolicy = "sample"


@dataclass(frozen=True, slots=True)
class Format:
    """A format; it may lack any of reader, writer and publisher.

    Attributes:
        name: as in ``--format NAME``.
        tasks: what it can hold.
        reader: how it is read.
        writer: how it is written file by file, for ``miqd export``; ``miqd publish`` takes it where there is no publisher.
        publisher: how it is written for publication.
    """

    name: str
    tasks: tuple[Task, ...]
    reader: Reader | None = None
    writer: Writer | None = None
    publisher: Publisher | None = None

    def task(self, name: str) -> Task:
        """Return the task of this name.

        Raises:
            ConfigError: the format doesn't have it.
        """
        for known in self.tasks:
            if known == name:
                return known
        raise ConfigError(
            f"Format {self.name} has no task '{name}': expected one of {', '.join(self.tasks)}.{did_you_mean(name, self.tasks)}"
        )
