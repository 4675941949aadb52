"""One file of a publication: what it holds, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from miqd_builder.tables.lineage import compact_json, short_hash
from miqd_builder.tables.splits import SplitName
from miqd_builder.tasks import Task

WRITER_VERSION = 1
"""Part of the inputs of every shard: raising it writes all of them again."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One file: some source images of one split of one configuration.

    Attributes:
        path: below the target, with forward slashes.
        config: name of the configuration, such as ``labels-det``.
        split: of its sources.
        run: index of the run folder that it is made from.
        table: ``labels``, ``scores``, ``responses``, ``measures``, ``variants``, ``sources``, ``images`` or ``preview``.
        sources: ids of its source images, in their order.
        task, model, measure: of the table, as in :func:`miqd_builder.tables.schema.table_path`.
        names: degradations that it is cut down to; None for all.
        rows: number of rows that it will have, as far as the run's footers say.
        estimate: bytes that it will have at most, or about.
        pixels: whether images are read or rendered for it.
        inputs: hash of all that its content depends on.
    """

    path: str
    config: str
    split: SplitName
    run: int
    table: str
    sources: tuple[str, ...]
    task: Task | None = None
    model: str | None = None
    measure: str | None = None
    names: tuple[str, ...] | None = None
    rows: int = 0
    estimate: int = 0
    pixels: bool = False
    inputs: str = ""


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """A file of a publication that is there, whole.

    Attributes:
        path: below the target.
        sha256: of the file.
        size: in bytes.
        rows: number of rows or samples.
        inputs: as in :class:`Shard`.
        new: False if it was there already.
    """

    path: str
    sha256: str
    size: int
    rows: int
    inputs: str
    new: bool = True


def inputs_hash(shard: Shard, made_from: Sequence[Any]) -> str:
    """Return the hash of what a shard's content depends on.

    Args:
        shard: which rows it holds; its estimates don't count.
        made_from: content hashes of the parts that it is made from, and settings.
    """
    what = [WRITER_VERSION, shard.config, shard.table, shard.task, shard.model, shard.measure, shard.split]
    return short_hash(compact_json({"what": what, "sources": shard.sources, "names": shard.names, "from": list(made_from)}))
