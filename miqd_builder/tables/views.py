"""The tables of a run folder as views of DuckDB, straight over the Parquet files."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from miqd_builder.errors import StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import TABLES_BY_TASK, tasks_with

if TYPE_CHECKING:
    import duckdb

_MEASURE = "regexp_extract(filename, '/measure=([^/]*)/[^/]*$', 1)"
_MODEL = "regexp_extract(filename, '/model=([^/]*)/[^/]*$', 1)"


def open_views(folder: RunFolder) -> duckdb.DuckDBPyConnection:
    """Return a connection with a view of every table that is there: candidates, variants, measures, labels, scores, responses.

    The view of measures has the column ``measure`` in front. Views of tables by task have the columns ``task`` and, where there
    is one, ``model`` in front; a column that only some tasks have is null for the others. Parts are read when a query needs
    them, and new ones are found. Checksums are not looked at.

    Raises:
        StoreError: a part is so damaged that its columns can't be read.
    """
    import duckdb

    database = _connected(folder)
    try:
        _create_views(database, folder)
    except duckdb.Error as error:
        database.close()
        raise _unreadable(folder, error) from error
    return database


def _create_views(database: duckdb.DuckDBPyConnection, folder: RunFolder) -> None:
    for table in ("candidates", "variants"):
        if folder.list(f"{table}/*.parquet"):
            database.execute(
                f"create view {table} as select * from {_files(folder, f'{table}/*.parquet', 'union_by_name=true')}"
            )
    if folder.list("measures/*/*.parquet"):
        files = _files(folder, "measures/measure=*/*.parquet", "filename=true")
        database.execute(f"create view measures as select {_MEASURE} as measure, * exclude (filename) from {files}")
    for table, models in TABLES_BY_TASK.items():
        selects = [_of_task(folder, table, task, models) for task in tasks_with(folder, table)]
        if selects:
            database.execute(f"create view {table} as {' union all by name '.join(selects)}")


@contextmanager
def open_database(folder: RunFolder) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database in memory that reads the files of a run folder, wherever it is.

    Raises:
        StoreError: DuckDB can't read a part: it is damaged, or the object store fails.
    """
    import duckdb

    with _connected(folder) as database:
        try:
            yield database
        except duckdb.Error as error:
            raise _unreadable(folder, error) from error


def files_sql(folder: RunFolder, names: Sequence[str], *options: str) -> str:
    """Return the SQL of a table over some Parquet files of a run folder, which must be there.

    Args:
        folder: the run folder.
        names: of the files, at least one.
        options: of DuckDB's ``read_parquet``.
    """
    root = _root(folder)
    files = ", ".join(_text(glob.escape(f"{root}/{name}")) for name in names)
    return f"read_parquet({', '.join([f'[{files}]', 'hive_partitioning=false', *options])})"


def _connected(folder: RunFolder) -> duckdb.DuckDBPyConnection:
    import duckdb

    database = duckdb.connect()
    if not folder.local:
        database.register_filesystem(folder.fs)
    return database


def _unreadable(folder: RunFolder, error: duckdb.Error) -> StoreError:
    return StoreError(f"A part of '{folder.url}' can't be read ({' '.join(str(error).split())[:200]}): 'miqd verify' names it.")


def _of_task(folder: RunFolder, table: str, task: str, models: bool) -> str:
    if not models:
        return f"select {_text(task)} as task, * from {_files(folder, f'{table}/task={task}/*.parquet')}"
    files = _files(folder, f"{table}/task={task}/model=*/*.parquet", "filename=true")
    return f"select {_text(task)} as task, {_MODEL} as model, * exclude (filename) from {files}"


def _files(folder: RunFolder, pattern: str, *options: str) -> str:
    root = _root(folder)
    return f"read_parquet({', '.join([_text(f'{glob.escape(root)}/{pattern}'), 'hive_partitioning=false', *options])})"


def _root(folder: RunFolder) -> str:
    return folder.root if folder.local else str(folder.fs.unstrip_protocol(folder.root))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
