"""The rows of each configuration, from a run folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from miqd_builder.formats.huggingface.columns import IMAGES, PREVIEW, SOURCES, schema_of
from miqd_builder.formats.huggingface.drawing import preview_rows
from miqd_builder.formats.huggingface.parquet import IMAGES_PER_GROUP, write_parquet
from miqd_builder.formats.publication.content import PublishedImage, RunContent
from miqd_builder.formats.publication.shard import Shard
from miqd_builder.store.streams import HashedStream
from miqd_builder.tables.schema import ORIGINAL

BATCH_BYTES = 8 * 2**20
"""Of the images that become rows at once."""
Report = Callable[[int], None]
Row = dict[str, Any]


def write_shard(shard: Shard, content: RunContent, stream: HashedStream, report: Report) -> int:
    """Write one Parquet file and return its number of rows.

    Args:
        shard: which one.
        content: of its run.
        stream: where it goes.
        report: called with the number of rows done since the last call.

    Raises:
        MiqdError: something of the run is missing or damaged.
    """
    makers: dict[str, Callable[[Shard, RunContent], Iterator[pa.Table]]] = {
        "sources": _sources,
        "images": _images,
        "preview": _preview,
    }
    tables = makers.get(shard.table, _table)(shard, content)
    most = IMAGES_PER_GROUP if shard.pixels else None
    return write_parquet(stream, schema_of(shard), _counted(tables, report), shard.inputs, most_rows=most)


def _counted(tables: Iterator[pa.Table], report: Report) -> Iterator[pa.Table]:
    for table in tables:
        yield table
        report(table.num_rows)


def _table(shard: Shard, content: RunContent) -> Iterator[pa.Table]:
    """A table of the run, with its model or measure as first column."""
    name = "measure" if shard.table == "measures" else "model"
    value = shard.measure or shard.model
    for part in content.rows(shard.table, shard.sources, task=shard.task, model=shard.model, measure=shard.measure):
        yield part if value is None else part.add_column(0, name, pa.repeat(pa.scalar(value), part.num_rows))


def _sources(shard: Shard, content: RunContent) -> Iterator[pa.Table]:
    for source_id in shard.sources:
        source, photo = content.source(source_id), content.photo(source_id)
        row = {
            "source_id": source_id,
            "file_name": source.path.name,
            "file_sha256": source.file_sha256(),
            "class_index": content.class_index(source_id),
            "roi": {"bytes": content.roi(source_id), "path": f"{source_id}.png"},
            "licence": photo.name,
            "licence_url": photo.url,
            "origin": photo.origin,
        }
        yield pa.Table.from_pylist([row], SOURCES)


def _images(shard: Shard, content: RunContent) -> Iterator[pa.Table]:
    for source_id in shard.sources:
        photo = content.photo(source_id)
        about = {"licence": photo.name, "licence_url": photo.url}
        known = {row["degradation"]: row for row in _variants(content, source_id)}
        wanted = shard.names or (ORIGINAL, *known)
        names = [name for name in wanted if name == ORIGINAL or name in known]
        rows: list[Row] = []
        size = 0
        for image in content.images(source_id, names):
            row = known.get(image.name, {"source_id": source_id, "degradation": ORIGINAL})
            rows.append({**row, **_pixels(source_id, image), **about})
            size += len(image.data)
            if len(rows) == IMAGES_PER_GROUP or size >= BATCH_BYTES:
                yield pa.Table.from_pylist(rows, IMAGES)
                rows, size = [], 0
        if rows:
            yield pa.Table.from_pylist(rows, IMAGES)


def _variants(content: RunContent, source_id: str) -> list[Row]:
    """Rows of ``variants`` of one source."""
    rows: list[Row] = []
    for part in content.rows("variants", [source_id]):
        rows += part.filter(pc.equal(part["source_id"], source_id)).to_pylist()
    return rows


def _pixels(source_id: str, image: PublishedImage) -> Row:
    height, width = image.pixels.shape[:2]
    return {
        "image": {"bytes": image.data, "path": f"{source_id}_{image.name}{image.suffix}"},
        "height": height,
        "width": width,
        "pixel_sha256": hashlib.sha256(image.pixels.tobytes()).hexdigest(),
    }


def _preview(shard: Shard, content: RunContent) -> Iterator[pa.Table]:
    for source_id in shard.sources:
        licence = content.photo(source_id).name
        rows = [{**row, "licence": licence} for row in preview_rows(shard, content, source_id)]
        yield pa.Table.from_pylist(rows, PREVIEW)
