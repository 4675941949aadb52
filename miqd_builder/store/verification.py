"""Read a run folder again, all of it, and name what is damaged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pyarrow as pa

from miqd_builder.errors import MiqdError
from miqd_builder.images import decode_png
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import fingerprint, read_footer, read_part
from miqd_builder.store.record import RunRecord
from miqd_builder.store.schema import LABELS, RESPONSES, SCORES, VARIANTS

TABLES = ("variants", "responses", "scores", "labels")


def verify_folder(folder: RunFolder) -> Iterator[tuple[str, str | None]]:
    """Check every part and every stored image.

    Parts: the footer's fingerprint belongs to its inputs, the columns are those of the table, no key appears twice, and all
    rows can be read.
    Images: the pixels have the hash that ``variants`` recorded.

    Yields:
        the name of what was checked, and what is wrong with it, or None.
    """
    record = RunRecord.load(folder)
    if record is None:
        yield "run.json", "is missing"
        return
    for table in TABLES:
        for name in folder.list(f"{table}/**/*.parquet" if table != "variants" else "variants/*.parquet"):
            yield name, _part_problem(folder, name)
    if record.images == "png":
        for name in folder.list("variants/*.parquet"):
            yield from _images(folder, name)


def _part_problem(folder: RunFolder, name: str) -> str | None:
    footer = read_footer(folder, name)
    if footer is None:
        return "is torn or has no footer of this project: delete it and run again"
    if footer.fingerprint != fingerprint(footer.inputs):
        return "has a fingerprint that is not that of its inputs: delete it and run again"
    try:
        table = read_part(folder, name)
    except MiqdError as error:
        return str(error)
    expected = _schema(name)
    if not table.schema.equals(expected):
        return f"has the columns {table.column_names}, expected {expected.names}: it is of another version"
    keys = list(zip(table["source_id"].to_pylist(), table["degradation"].to_pylist(), strict=True))
    if len(set(keys)) != len(keys):
        return "lists an image twice: delete it and run again"
    return None


def _schema(name: str) -> pa.Schema:
    table, *rest = name.split("/")
    if table == "variants":
        return VARIANTS
    task = rest[0].removeprefix("task=")
    return {"responses": RESPONSES, "scores": SCORES, "labels": LABELS}[table][task]


def _images(folder: RunFolder, variants: str) -> Iterator[tuple[str, str | None]]:
    try:
        rows = read_part(folder, variants, ["file_name", "pixel_sha256"]).to_pylist()
    except MiqdError:
        return
    for row in rows:
        name = f"images/{row['file_name']}"
        try:
            pixels = decode_png(folder.read(name))
            right = hashlib.sha256(pixels.tobytes()).hexdigest() == row["pixel_sha256"]
            yield name, None if right else f"has other pixels than '{variants}' says: delete that part and run degrade again"
        except (FileNotFoundError, MiqdError):
            yield name, f"is missing or damaged: delete '{variants}' and run degrade again"
