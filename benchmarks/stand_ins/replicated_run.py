"""A large run folder from a small one: the same numbers under new ids, so that nothing is rendered or predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from miqd_builder.roi.stored import encode_mask, mask_path
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer, read_part, write_part
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.schema import image_path
from stand_ins.tiny_run import SIZE

PATTERNS = ("variants/*.parquet", "labels/*/*.parquet", "scores/*/*/*.parquet", "responses/*/*/*.parquet")


def replicate(small: str, large: Path, times: int) -> None:
    """Write a run folder whose sources are those of another one, so many times over, each with a mask.

    Args:
        small: run folder of ``tiny_run``, whose ids are ``image_00000`` and so on.
        large: run folder to write; parts that are there stay.
        times: how often.
    """
    source, target = RunFolder(small), RunFolder(str(large))
    record = RunRecord.load(source)
    assert record is not None
    parts, count = record.parts, sum(map(len, record.parts))
    for pattern in PATTERNS:
        for name in source.list(pattern):
            table, footer = read_part(source, name), read_footer(source, name)
            assert footer is not None and footer.lineage is not None
            number = int(name[-13:-8])
            for copy in range(times):
                place = f"{name[:-13]}{number + copy * len(parts):05d}.parquet"
                if not target.exists(place):
                    write_part(target, place, _renamed(table, copy * count), footer.lineage, extra=footer.extra)
    mask = encode_mask(np.full((SIZE, SIZE), 255, np.uint8), "")
    record.parts = [[_shifted(i, copy * count) for i in part] for copy in range(times) for part in parts]
    for part in record.parts:
        for source_id in part:
            target.write(mask_path(source_id), mask, flush=False)
    record.write(target)


def _renamed(table: pa.Table, by: int) -> pa.Table:
    ids = [_shifted(source_id, by) for source_id in table["source_id"].to_pylist()]
    table = table.set_column(0, "source_id", pa.array(ids, pa.string()))
    if "file_name" in table.column_names:
        names = [image_path(i, d) for i, d in zip(ids, table["degradation"].to_pylist(), strict=True)]
        table = table.set_column(table.column_names.index("file_name"), "file_name", pa.array(names, pa.string()))
    return table


def _shifted(source_id: str, by: int) -> str:
    return f"image_{int(source_id.removeprefix('image_')) + by:05d}"
