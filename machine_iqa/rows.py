"""A table of scores that grows row by row and survives an interruption: CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from miqd_builder.errors import ConfigError

FORMATS = (".csv", ".json", ".parquet")
TEXTS = ("path", "kind", "model", "error")
"""Columns that hold text; the others hold numbers. What isn't known is None."""

Row = dict[str, Any]


class RowFile:
    """Appends rows to a CSV file; of the other formats, to ``FILE.part``, from which FILE is written at the end.

    A second start finds the rows of the first; those with an error, and half a row at the end of a file that was cut off, are
    left out of it, to be tried again. A context manager.

    Args:
        file: ``.csv``, ``.json`` (a list of objects) or ``.parquet``.
        columns: of every row.

    Attributes:
        rows: that are in the file.

    Raises:
        ConfigError: the format is unknown, its folder isn't there, or the file holds other columns.
    """

    def __init__(self, file: Path, columns: Sequence[str]) -> None:
        if file.suffix not in FORMATS:
            raise ConfigError(f"Unknown format of '{file}': expected a name that ends with {', '.join(FORMATS)}.")
        if not file.parent.is_dir():
            raise ConfigError(f"Folder '{file.parent}' for the scores is not there.")
        self.file, self.columns = file, tuple(columns)
        self._journal = file if file.suffix == ".csv" else file.with_name(f"{file.name}.part")
        self.rows = [row for row in self._earlier() if not row["error"]]

    def __enter__(self) -> RowFile:
        unfinished = self._journal.with_name(f".{self._journal.name}.new")
        with unfinished.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([self.columns, *map(self._cells, self.rows)])
        unfinished.replace(self._journal)
        self._stream = self._journal.open("a", newline="", encoding="utf-8")
        return self

    def append(self, rows: Iterable[Row]) -> None:
        """Add rows; they are on disk when this returns."""
        for row in rows:
            self.rows.append(row)
            csv.writer(self._stream).writerow(self._cells(row))
        self._stream.flush()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stream.close()
        if self._journal == self.file:
            return
        unfinished = self.file.with_name(f".{self.file.name}.new")
        (_write_json if self.file.suffix == ".json" else _write_parquet)(unfinished, self.columns, self.rows)
        unfinished.replace(self.file)
        self._journal.unlink()

    def _cells(self, row: Row) -> list[Any]:
        return ["" if row.get(name) is None else row[name] for name in self.columns]

    def _earlier(self) -> list[Row]:
        """Return the rows of an earlier start."""
        if self._journal.is_file():
            return self._read_csv()
        if not self.file.is_file():
            return []
        read = _read_json if self.file.suffix == ".json" else _read_parquet
        try:
            rows = read(self.file)
        except (OSError, ValueError) as error:
            raise ConfigError(f"'{self.file}' holds no scores ({' '.join(str(error).split())[:200]}): name another.") from None
        for row in rows or [dict.fromkeys(self.columns)]:
            self._check(row)
        return [row for row in rows if all(_fits(name, row[name]) for name in self.columns)]

    def _read_csv(self) -> list[Row]:
        text = self._journal.read_bytes().decode("utf-8", errors="replace")
        complete = text[: text.rfind("\n") + 1]
        try:
            lines = list(csv.reader(io.StringIO(complete, newline="")))
        except csv.Error as error:
            raise ConfigError(f"'{self._journal}' holds no scores ({error}): name another file.") from None
        self._check(lines[0] if lines else self.columns)
        found = (self._parsed(line) for line in lines[1:] if len(line) == len(self.columns))
        return [row for row in found if row is not None]

    def _parsed(self, line: Sequence[str]) -> Row | None:
        """Return a row; None for a damaged one, whose file is assessed again."""
        named = zip(self.columns, line, strict=True)
        try:
            return {name: None if cell == "" else cell if name in TEXTS else float(cell) for name, cell in named}
        except ValueError:
            return None

    def _check(self, columns: Iterable[str]) -> None:
        if tuple(columns) != self.columns:
            raise ConfigError(f"'{self.file}' holds scores of another model, or something else: name another file.")


def _fits(name: str, cell: Any) -> bool:
    return cell is None or isinstance(cell, str if name in TEXTS else int | float)


def _write_json(file: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    file.write_text(json.dumps([{name: row.get(name) for name in columns} for row in rows], indent=1), encoding="utf-8")


def _read_json(file: Path) -> list[Row]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("no list of objects")
    return rows


def _write_parquet(file: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string() if name in TEXTS else pa.float64()) for name in columns])
    pq.write_table(pa.Table.from_pylist([{name: row.get(name) for name in columns} for row in rows], schema), file)


def _read_parquet(file: Path) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[Row] = pq.read_table(file).to_pylist()
    except pa.ArrowException as error:  # of which not all are ValueErrors
        raise ValueError(str(error)) from None
    return rows
