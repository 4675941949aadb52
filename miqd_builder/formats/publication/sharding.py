"""How the sources of a split are divided into files, from the sizes of the run's own parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from miqd_builder.formats.publication.shard import Shard
from miqd_builder.store.folder import RunFolder

Group = tuple[tuple[str, ...], tuple[str, ...] | None, int]
"""Sources of a file, the degradations that it is cut down to, and its estimated bytes."""


def part_bytes(folder: RunFolder, table: str, parts: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return how many bytes of a table each source takes: its part's size, shared evenly.

    Args:
        folder: the run folder.
        table: folder of the table, such as ``labels/task=det``.
        parts: source ids by part.
    """
    sizes = folder.sizes(table)
    found = {}
    for name, size in sizes.items():
        number = int(name.rpartition("part-")[2].removesuffix(".parquet"))
        for source_id in parts[number]:
            found[source_id] = -(-size // len(parts[number]))
    return found


def groups(sources: Sequence[str], size: Mapping[str, int], limit: int) -> Iterator[Group]:
    """Yield neighbouring sources whose bytes together stay below a limit; a source that is larger is alone.

    Args:
        sources: ids, in order.
        size: bytes of each; a source that isn't in it takes none, and has no rows.
        limit: bytes of one file.
    """
    chosen: list[str] = []
    total = 0
    for source_id in sources:
        if source_id not in size:
            continue
        if chosen and total + size[source_id] > limit:
            yield tuple(chosen), None, total
            chosen, total = [], 0
        chosen.append(source_id)
        total += size[source_id]
    if chosen:
        yield tuple(chosen), None, total


def image_groups(sources: Sequence[str], size: Mapping[str, int], names: Sequence[str], limit: int) -> Iterator[Group]:
    """Yield groups as :func:`groups` does; a source that is larger than the limit is cut by its degradations.

    Args:
        sources: ids, in order.
        size: bytes of one image of each, at most.
        names: of the images of a source.
        limit: bytes of one file.
    """
    together: list[str] = []
    for source_id in (source_id for source_id in sources if source_id in size):
        if size[source_id] * len(names) <= limit:
            together.append(source_id)
            continue
        yield from _whole(together, size, len(names), limit)
        together = []
        step = max(1, limit // size[source_id])
        for start in range(0, len(names), step):
            part = tuple(names[start : start + step])
            yield (source_id,), part, size[source_id] * len(part)
    yield from _whole(together, size, len(names), limit)


def _whole(sources: Sequence[str], size: Mapping[str, int], images: int, limit: int) -> Iterator[Group]:
    yield from groups(sources, {source_id: size[source_id] * images for source_id in sources}, limit)


def numbered(shards: Sequence[Shard], path: Callable[[str, int, int], str]) -> list[Shard]:
    """Give shards their paths: numbered from 0 within each split and folder, of how many.

    Args:
        shards: whose ``path`` is their folder so far.
        path: ``path(split, number, count)``: name of a file in its folder.
    """
    count: dict[tuple[str, str], int] = defaultdict(int)
    for shard in shards:
        count[shard.path, shard.split] += 1
    seen: dict[tuple[str, str], int] = defaultdict(int)
    result = []
    for shard in shards:
        key = shard.path, shard.split
        name = path(shard.split, seen[key], count[key])
        result.append(replace(shard, path=f"{shard.path}/{name}" if shard.path else name))
        seen[key] += 1
    return result
