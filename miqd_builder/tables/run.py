"""A run folder for Python: its tables, its images and its splits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import NAME, RunRecord
from miqd_builder.tables import queries
from miqd_builder.tables.splits import check_split, split_sources
from miqd_builder.tasks import check_task

if TYPE_CHECKING:
    import duckdb

    from miqd_builder.tables.run_images import RunImages

Columns = Sequence[str] | None


def open_run(url: str | Path) -> Run:
    """Open a run folder; nothing but ``run.json`` is read yet.

    Args:
        url: a path, or an fsspec url such as ``s3://bucket/run``.

    Raises:
        ConfigError: there is no run, or its file system is unknown.
        StoreError: ``run.json`` is damaged or of another version.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> fields = {"degradations": "darkness_?", "limit": 2, "scheduler": "inline"}
        >>> made = mb.degrade(run="pipelines/demo.yaml", out=tempfile.mkdtemp() + "/run", **fields)
        >>> run = mb.open_run(made.outs[0])
        >>> run.source_ids, len(run.degradations), run.variants().num_rows
        (('scene_00_ball', 'scene_01_box'), 5, 10)
        >>> run.image("scene_00_ball", "darkness_1").shape
        (240, 320, 3)
    """
    folder = RunFolder(str(url))
    record = RunRecord.load(folder)
    if record is None:
        raise ConfigError(f"'{url}' holds no run (no {NAME}): run 'miqd degrade' or 'miqd label' first, or correct the path.")
    return Run(folder, record)


class Run:
    """A run folder. Tables are :class:`pyarrow.Table`, with the columns that docs/labels.md lists.

    Every part is read when it is asked for, and its checksum is looked at. The list of images, and what :meth:`image` knows of
    them, are of the moment at which the run was opened or they were first needed: open it again after it has changed.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> fields = {"degradations": "darkness_?", "limit": 2, "models": "demo_resnet10t", "scheduler": "inline"}
        >>> made = mb.label(task="cls", run="pipelines/demo.yaml", out=tempfile.mkdtemp() + "/run", **fields)
        >>> run = mb.open_run(made.outs[0])
        >>> run.tasks, run.models("cls")
        (['cls'], ['demo_resnet10t'])
        >>> run.labels("cls", columns=["degradation", "consistency_mean"]).num_rows
        10
        >>> run.scores("cls").column_names
        ['model', 'source_id', 'degradation', 'consistency', 'accuracy']
        >>> sum(part.num_rows for part in run.parts("responses", task="cls", model="demo_resnet10t"))
        12
        >>> with run.duckdb() as database:
        ...     database.sql("select model, count(*) from scores where degradation <> 'original' group by all").fetchall()
        [('demo_resnet10t', 10)]
        >>> run.split("test"), run.split("train")
        (['scene_01_box'], ['scene_00_ball'])
    """

    def __init__(self, folder: RunFolder, record: RunRecord) -> None:
        self._folder, self._record = folder, record

    def __repr__(self) -> str:
        return f"Run({self.url!r}, {len(self.source_ids)} images x {len(self.degradations)} degradations)"

    @property
    def url(self) -> str:
        """Path or url of the run folder."""
        return self._folder.url

    @property
    def seed(self) -> int:
        """Seed of every random draw."""
        return self._record.seed

    @cached_property
    def source_ids(self) -> tuple[str, ...]:
        """Ids of the source images, sorted."""
        return tuple(sorted(source_id for part in self._record.parts for source_id in part))

    @property
    def degradations(self) -> tuple[str, ...]:
        """Names of the degradations, in canonical order."""
        return tuple(self._record.degradations)

    @property
    def tasks(self) -> list[str]:
        """Tasks that have labels, sorted."""
        return queries.labelled_tasks(self._folder)

    def models(self, task: str) -> list[str]:
        """Return the models that have scores for a task, sorted."""
        return queries.models_with(self._folder, "scores", check_task(task))

    def variants(self, *, columns: Columns = None) -> pa.Table:
        """Return the degraded images: a row each, with severities, PSNR (dB) and the hash of its pixels.

        Args:
            columns: names of the wanted columns; None for all.

        Raises:
            StoreError: they aren't there yet, or a part is damaged.
        """
        return queries.joined(self.parts("variants", columns=columns))

    def labels(self, task: str, *, columns: Columns = None) -> pa.Table:
        """Return the labels of a task: a row a degraded image.

        Args:
            task: ``cls``, ``det``, ``ins`` or ``seg``.
            columns: names of the wanted columns; None for all.

        Raises:
            ConfigError: the task is unknown.
            StoreError: there are none yet, or a part is damaged.
        """
        return queries.joined(self.parts("labels", task=task, columns=columns))

    def scores(self, task: str, *, model: str | None = None, columns: Columns = None) -> pa.Table:
        """Return the scores of a task: a row an image and model, rows of ``original`` among them.

        Args:
            task: ``cls``, ``det``, ``ins`` or ``seg``.
            model: its name; None for those of all models, which then have the column ``model`` in front.
            columns: names of the wanted columns; None for all.

        Raises:
            ConfigError: the task is unknown, or the model, among those that are there.
            StoreError: there are none yet, or a part is damaged.
        """
        return queries.joined(self.parts("scores", task=task, model=model, columns=columns))

    def responses(self, task: str, *, model: str | None = None, columns: Columns = None) -> pa.Table:
        """Return what models predicted: a row an image and model, rows of ``original`` among them; as for :meth:`scores`."""
        return queries.joined(self.parts("responses", task=task, model=model, columns=columns))

    def measures(self, names: Sequence[str] | None = None) -> pa.Table:
        """Return image quality measures: ``source_id``, ``degradation`` and a float64 column a measure.

        Args:
            names: of the measures; None for all that are there.

        Returns:
            a row a degraded image; null where a measure is undefined or was not computed.

        Raises:
            ConfigError: the run has no such measure (names the nearest).
            StoreError: it has none at all, or a part is damaged.
        """
        from miqd_builder.tables.measures import read_measures

        return read_measures(self._folder, self._record, names)

    def parts(
        self, table: str, *, task: str | None = None, model: str | None = None, columns: Columns = None
    ) -> Iterator[pa.Table]:
        """Return a table part by part, each read when it is its turn: for tables that don't fit into memory.

        Args:
            table: ``candidates``, ``variants``, ``labels``, ``scores`` or ``responses``.
            task: ``cls``, ``det``, ``ins`` or ``seg``; of the last three.
            model: its name; of the last two. None for those of all models, which then have the column ``model`` in front.
            columns: names of the wanted columns; None for all.

        Raises:
            ConfigError: the table, the task or the model is unknown, or one is given that the table doesn't have.
            StoreError: the table isn't there yet (names the command that makes it), or, in its turn, a part is damaged.
        """
        names = queries.part_names(self._folder, table, task=task, model=model)
        parts = queries.read_parts(self._folder, names, columns)
        if model is None and queries.TABLES_BY_TASK.get(table):
            return map(_with_model, names, parts)
        return parts

    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """Return a DuckDB connection with a view of each table that is there, over its files; close it after use.

        The views are ``candidates``, ``variants``, ``measures``, ``labels``, ``scores`` and ``responses``. ``measures`` has the
        column ``measure`` in front; the last three hold all tasks, with ``task`` and, but for labels, ``model`` in front.
        ``miqd verify`` looks at checksums, this doesn't.
        """
        from miqd_builder.tables.views import open_views

        return open_views(self._folder)

    def image(self, source_id: str, degradation: str) -> NDArray[np.uint8]:
        """Return an image of the run, read from the run folder or, in a run without images, rendered again.

        Args:
            source_id: id of the source image.
            degradation: name of the degradation, or ``original``, which is read from the source.

        Returns:
            uint8 ``(height, width, 3)`` RGB.

        Raises:
            ConfigError: the image or the degradation is unknown (names the nearest), or the source is gone.
            UnreadableImageError: the pixels are not those that the run recorded, or the source's file is not what it was.
            StoreError: the run holds no images: nothing was degraded yet, or its labels were imported.
        """
        known = self._images.degradations
        if degradation not in known:
            raise ConfigError(f"'{self.url}' has no degradation '{degradation}'.{did_you_mean(degradation, known)}")
        if source_id not in self.source_ids:
            raise ConfigError(f"'{self.url}' has no image '{source_id}'.{did_you_mean(source_id, self.source_ids)}")
        return self._images.read(source_id, degradation)

    def split(self, name: str, *, seed: int = 0) -> list[str]:
        """Return the ids of the source images of a split, sorted; see :func:`miqd_builder.tables.splits.split_sources`.

        Args:
            name: ``test``, ``validation`` or ``train``.
            seed: another seed gives another split.

        Raises:
            ConfigError: there is no such split.
        """
        return split_sources(self.source_ids, seed=seed)[check_split(name)]

    @cached_property
    def _images(self) -> RunImages:
        from miqd_builder.tables.run_images import RunImages

        return RunImages(self._folder, self._record)


def _with_model(name: str, part: pa.Table) -> pa.Table:
    """A part with the model of its path in front."""
    model = name.split("/")[2].removeprefix("model=")
    return part.add_column(0, "model", pa.repeat(pa.scalar(model), part.num_rows))
