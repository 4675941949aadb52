"""The parts of a run folder as a plan sees them: which tables there are, their sizes, and what each file would be made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from miqd_builder.formats.publication.described import PublishedRun
from miqd_builder.formats.publication.shard import Shard, inputs_hash
from miqd_builder.formats.publication.sharding import groups, image_groups, part_bytes
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.footers import Footers
from miqd_builder.store.parts import read_part
from miqd_builder.tables.schema import ORIGINAL, table_path

SHARD_BYTES = 400_000_000
"""Of a file of tables, as the run's own parts take them; the same rows take about as much again."""
IMAGE_OVERHEAD = 4096
"""Bytes that an image takes beside its pixels, at most."""


class RunParts:
    """Parts of one run folder.

    Args:
        index: of the run in its publication.
        run: the run.
        settings: what every file depends on beside the parts.
    """

    def __init__(self, index: int, run: PublishedRun, settings: Sequence[Any] = ()) -> None:
        self._index, self._run, self._settings = index, run, list(settings)
        self._folder = RunFolder(run.url)
        self._footers = Footers(self._folder)
        self._part_of = {source_id: number for number, part in enumerate(run.record.parts) for source_id in part}

    def table(self, config: str, folder: str, table: str, **keys: Any) -> Iterator[Shard]:
        """Yield the files of a table without images; their paths are folders yet.

        Args:
            config: name of the configuration.
            folder: of its files.
            table: name of the table in the run folder.
            keys: task, model and measure of the table.
        """
        where = table_path(table, 0, **keys).rpartition("/")[0]
        size = part_bytes(self._folder, where, self._run.record.parts)
        for split, ids in self._run.splits.items():
            for sources, _, estimate in groups(ids, size, SHARD_BYTES):
                shard = Shard(folder, config, split, self._index, table, sources, estimate=estimate, **keys)
                yield self._finished(shard, [where])

    def sources(self, config: str, folder: str, bytes_each: int) -> Iterator[Shard]:
        """Yield the files of the table of source images, which are about so many bytes each."""
        for split, ids in self._run.splits.items():
            for sources, _, estimate in groups(ids, dict.fromkeys(ids, bytes_each), SHARD_BYTES):
                shard = Shard(folder, config, split, self._index, "sources", sources, rows=len(sources), estimate=estimate)
                yield self._finished(shard, ["variants"], rows=len(sources))

    def images(
        self,
        config: str,
        table: str,
        *,
        among: frozenset[str] | None,
        names: Sequence[str],
        limit: int,
        folder: str | None = None,
        also: Sequence[str] = (),
        **keys: Any,
    ) -> Iterator[Shard]:
        """Yield files of images.

        Args:
            config: name of the configuration.
            table: ``images`` or ``preview``.
            among: sources that are taken; None for all.
            names: images of each source, as far as the run has them.
            limit: bytes of one file.
            folder: of its files; named like the configuration by default.
            also: further tables that they are made from, by their folder in the run folder.
            keys: task and model of the table.
        """
        size = {key: value for key, value in self._image_bytes.items() if among is None or key in among}
        made_from = ["variants", *also]
        where = config if folder is None else folder
        if keys:
            made_from.append(f"responses/task={keys['task']}/model={keys['model']}")
        for split, ids in self._run.splits.items():
            for sources, some, estimate in image_groups(ids, size, names, limit):
                chosen = some if some is not None else (None if keys == {} and among is None else tuple(names))
                shard = Shard(
                    where, config, split, self._index, table, sources, names=chosen, estimate=estimate, pixels=True, **keys
                )
                yield self._finished(shard, made_from, rows=len(sources) * len(some or names))

    def names(self) -> tuple[str, ...]:
        """Return all images that the run has of a source, the original first."""
        return (ORIGINAL, *self._run.record.degradations)

    def _finished(self, shard: Shard, tables: Sequence[str], rows: int | None = None) -> Shard:
        """A shard with the hash of its inputs and its number of rows."""
        numbers = list(dict.fromkeys(self._part_of[source_id] for source_id in shard.sources))
        made_from: list[Any] = [*self._settings, self._run.record.degradations if shard.pixels else None]
        chosen, expected = set(shard.sources), 0.0
        for table in tables:
            files = [f"{table}/part-{number:05d}.parquet" for number in numbers]
            self._footers.load(files)
            for number, file in zip(numbers, files, strict=True):
                stamp = self._footers.get(file)
                made_from.append([stamp.content_hash, stamp.rows] if stamp else None)
                ids = self._run.record.parts[number]
                expected += stamp.rows * sum(i in chosen for i in ids) / len(ids) if stamp else 0
        return replace(shard, inputs=inputs_hash(shard, made_from), rows=round(expected) if rows is None else rows)

    @cached_property
    def _image_bytes(self) -> Mapping[str, int]:
        """Bytes of one image of each source, at most: those of its pixels."""
        found: dict[str, int] = {}
        for number in range(len(self._run.record.parts)):
            name = table_path("variants", number)
            if self._folder.exists(name):
                sizes = read_part(self._folder, name, ["source_id", "height", "width"]).group_by("source_id")
                for row in sizes.aggregate([("height", "max"), ("width", "max")]).to_pylist():
                    found[row["source_id"]] = row["height_max"] * row["width_max"] * 3 + IMAGE_OVERHEAD
        return found
