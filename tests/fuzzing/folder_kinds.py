"""Run folders that come from elsewhere: damaged parts, parts of other schemas, hostile content with a valid checksum."""

from __future__ import annotations

import contextlib
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import miqd_builder as mb
from miqd_builder.store.checksum import BLANK, KEY, seal
from miqd_builder.store.parts import encode_table
from tests.fuzzing.corpus import Corpus, copy_run, replace
from tests.fuzzing.mutations import HOSTILE_TEXTS, damaged_bytes, damaged_text, damaged_tree

Call = Callable[[], object]

FOREIGN: tuple[pa.Table, ...] = (
    pa.table({}),
    pa.table({"source_id": pa.array([], pa.string())}),
    pa.table({"x": [[1, 2], None]}),
    pa.table({"source_id": [1, 2], "degradation": [{"a": 1}, None]}),
    pa.table({"source_id": pa.array([b"\xff", b"a"]), "degradation": pa.array([None, None])}),
    pa.table({"a": pa.array(["x"] * 3).dictionary_encode(), "b": pa.array([1, 2, 3], pa.timestamp("ns"))}),
)


def part(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    """One Parquet file of a run folder is damaged; then the folder is read in one of the public ways."""
    run = copy_run(corpus, folder / "run")
    file = rng.choice(sorted(run.rglob("*.parquet")))
    data = file.read_bytes()
    how = rng.random()
    if how < 0.4:
        data = damaged_bytes(rng, data)
    elif how < 0.5:
        data = _foreign(rng, pq.read_metadata(pa.BufferReader(data)).metadata)
    else:
        data = _hostile(rng, data)
    replace(file, data)
    return reading(rng, corpus, run, folder)


def _foreign(rng: random.Random, metadata: dict[bytes, bytes]) -> bytes:
    """A Parquet file of other columns, with or without the footer of a part."""
    table = rng.choice(FOREIGN)
    if rng.random() < 0.5:
        return encode_table(table, _texts(metadata))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _hostile(rng: random.Random, data: bytes) -> bytes:
    """The part with other values, columns or footer entries, and the checksum that fits them."""
    table = pq.read_table(pa.BufferReader(data))
    metadata = _texts(pq.read_metadata(pa.BufferReader(data)).metadata)
    if rng.random() < 0.25 and metadata:
        key = rng.choice(list(metadata))
        metadata[key] = rng.choice((damaged_text(rng, metadata[key]).decode(errors="replace"), rng.choice(HOSTILE_TEXTS)))
    elif table.num_columns:
        at = rng.randrange(table.num_columns)
        with contextlib.suppress(pa.ArrowException, UnicodeError, OverflowError):
            table = rng.choice((_other_values, _other_type, _no_column, _other_name, _nulls, _rows))(rng, table, at)
    with contextlib.suppress(UnicodeError, pa.ArrowException):
        return encode_table(table, metadata)
    return data


def _texts(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    pairs = {
        key.decode(): value.decode() for key, value in (metadata or {}).items() if key not in (KEY.encode(), b"ARROW:schema")
    }
    return {key: value.encode("utf-8", "replace").decode() for key, value in pairs.items()}


def _other_values(rng: random.Random, table: pa.Table, at: int) -> pa.Table:
    old = table.column(at)
    values = old.to_pylist()
    for _ in range(rng.choice((1, 2, len(values)))):
        if values:
            values[rng.randrange(len(values))] = _value(rng, old.type)
    return table.set_column(at, table.field(at), pa.array(values, old.type))


def _value(rng: random.Random, kind: pa.DataType) -> Any:
    if pa.types.is_string(kind):
        return rng.choice(HOSTILE_TEXTS)
    if pa.types.is_floating(kind):
        return rng.choice((float("nan"), float("inf"), -1.0, 1e308, None))
    if pa.types.is_integer(kind):
        return rng.choice((0, 1, 100, None, 2**7 - 1))
    if pa.types.is_binary(kind):
        return rng.choice((b"", b"\xff", rng.randbytes(20), b"`" * 50, None))
    if pa.types.is_list(kind):
        return rng.choice(([], None, [_value(rng, kind.value_type)], [_value(rng, kind.value_type)] * 1000))
    return None


def _other_type(rng: random.Random, table: pa.Table, at: int) -> pa.Table:
    kind = rng.choice((pa.string(), pa.int8(), pa.float32(), pa.binary(), pa.list_(pa.int64())))
    values = pa.nulls(table.num_rows, kind)
    with contextlib.suppress(pa.ArrowException):
        values = table.column(at).cast(kind)
    return table.set_column(at, table.field(at).name, values)


def _no_column(rng: random.Random, table: pa.Table, at: int) -> pa.Table:
    return table.remove_column(at)


def _other_name(rng: random.Random, table: pa.Table, at: int) -> pa.Table:
    return table.rename_columns(
        [rng.choice(("x", "", "source_id")) if n == at else c for n, c in enumerate(table.column_names)]
    )


def _nulls(rng: random.Random, table: pa.Table, at: int) -> pa.Table:
    return table.set_column(at, table.field(at), pa.nulls(table.num_rows, table.field(at).type))


def _rows(rng: random.Random, table: pa.Table, at: int) -> pa.Table:
    return rng.choice((table.slice(0, 0), table.slice(1), pa.concat_tables([table, table]), pa.concat_tables([table] * 50)))


def run_folder(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    """One of the other files of a run folder is damaged: record, progress, index, lock, masks, images, quarantine."""
    run = copy_run(corpus, folder / "run")
    (run / "run.lock").write_text('{"command": "label", "task": "det", "host": "x", "pid": 1, "renewed": 1.0}')
    (run / "quarantine").mkdir()
    failures = pa.table({name: ["x"] for name in ("stage", "source_id", "model", "error", "message")})
    (run / "quarantine" / "degrade-part-00000.parquet").write_bytes(encode_table(failures, {}))
    file = rng.choice(
        (run / "run.json", *sorted(run.glob("*.*")), *sorted(run.glob("[iqr]*/*.*")), *sorted(run.glob("p*/*.*")))
    )
    data = file.read_bytes()
    if file.suffix == ".json" and rng.random() < 0.8:
        tree = json.loads(data)
        sealed = tree.pop(KEY, None) is not None
        with contextlib.suppress(RecursionError):
            tree = damaged_tree(rng, tree)
            fields = {KEY: BLANK, **tree} if sealed and isinstance(tree, dict) else tree
            data = json.dumps(fields).encode("utf-8", "surrogatepass")
            data = seal(data) if sealed and isinstance(tree, dict) else data
    else:
        data = damaged_text(rng, data.decode()) if file.suffix in (".json", ".lock") else damaged_bytes(rng, data)
    replace(file, data)
    if rng.random() < 0.1:
        (run / "labels" / rng.choice(("task=x", "task=det", "..x", "a b"))).mkdir(exist_ok=True)
        (run / "labels" / rng.choice(("part-x.parquet", "x.parquet", "task=det/part-99999999999999999999.parquet"))).touch()
    return reading(rng, corpus, run, folder)


def reading(rng: random.Random, corpus: Corpus, run: Path, folder: Path) -> Call:
    """One of the public ways to read a run folder, or to go on with it."""
    task = rng.choice(("det", "ins"))
    ways: dict[str, Call] = {
        "open": lambda: _tables(run, task),
        "image": lambda: [mb.open_run(run).image("scene_0", name) for name in ("darkness_1", "original")],
        "verify": lambda: mb.verify(run),
        "status": lambda: mb.status(run),
        "audit": lambda: mb.audit(run),
        "statistics": lambda: mb.label_statistics(run, resamples=5),
        "compare": lambda: mb.compare(run, corpus.folder / "run"),
        "benchmark": lambda: mb.benchmark(run, resamples=5),
        "duckdb": lambda: _counts(run),
        "export": lambda: mb.export(run, to=folder / "exported", task=task),
        "plan": lambda: mb.label(task=task, run=corpus.folder / "run.yaml", out=run, dry_run=True),
        "measure": lambda: mb.measure(measures="psnr", out=run, dry_run=True),
    }
    return ways[rng.choice(list(ways))]


def _tables(run: Path, task: str) -> None:
    opened = mb.open_run(run)
    for read in (
        opened.variants,
        opened.measures,
        *(lambda t=t: t(task) for t in (opened.labels, opened.scores, opened.responses)),
    ):
        read()
    opened.split("test")
    list(opened.parts("candidates"))


def _counts(run: Path) -> None:
    with mb.open_run(run).duckdb() as database, contextlib.suppress(duckdb.Error):  # of a user's own queries
        for (name,) in database.sql("select view_name from duckdb_views() where not internal").fetchall():
            database.sql(f"select count(*) from {name}").fetchall()
