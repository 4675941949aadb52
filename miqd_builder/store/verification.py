"""Check every file of a run folder and name those that are damaged."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

import pyarrow as pa

from miqd_builder.errors import MiqdError
from miqd_builder.roi.stored import decode_mask, mask_path
from miqd_builder.sources.png import decode_png
from miqd_builder.store.checksum import is_sealed
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import Footer, decode_table, read_footer, read_part
from miqd_builder.store.record import NAME, RunRecord
from miqd_builder.tables.lineage import LabelsLineage, Lineage, PartState, RenderedLineage, ScoresLineage, hashed_json
from miqd_builder.tables.schema import (
    CODED_VARIANTS,
    QUARANTINE,
    image_path,
    part_name,
    schema_of,
    table_path,
)

TABLES = ("candidates", "variants", "responses", "scores", "labels", "measures")
AGAIN = "delete it and run again"

_PART = re.compile(r"part-([0-9]+)\.parquet")
_PNG_END = bytes.fromhex("0000000049454e44ae426082")
"""The last chunk of every PNG; decoders don't check its checksum."""

Checked = tuple[str, str | None]


def verify_folder(folder: RunFolder) -> Iterator[Checked]:
    """Read every file again.

    ``run.json`` and the quarantine: every byte is as it was written.
    Parts: every byte is as it was written, the footer's content hash is that of its lineage, the columns are those of the
    table, the sources are those that ``run.json`` assigns, no row is missing or appears twice, and the parts that it was made
    from are unchanged.
    ROI masks: every byte is as it was written, and they are masks of the run's images.
    Images: the pixels have the hash that ``variants`` recorded.

    Yields:
        the name of what was checked, and what is wrong with it, or None.
    """
    try:
        record = RunRecord.load(folder)
    except MiqdError as error:
        yield NAME, f"can't be used: {error}"
        return
    if record is None:
        yield NAME, "is missing"
        return
    yield NAME, None
    for name in folder.list("quarantine/*.parquet"):
        yield name, _file_problem(folder.read(name), QUARANTINE)
    for table in TABLES:
        for name in folder.list(f"{table}/**/*.parquet" if table not in ("candidates", "variants") else f"{table}/*.parquet"):
            yield name, _part_problem(folder, record, name)
    known = {mask_path(source_id) for part in record.parts for source_id in part}
    for name in folder.list("roi/*"):
        yield name, _mask_problem(folder.read(name)) if name in known else "is no mask of an image of this run: delete it"
    if record.images == "png":
        for name in folder.list("variants/*.parquet"):
            yield from _images(folder, name)


def _file_problem(data: bytes, expected: pa.Schema | None = None) -> str | None:
    """What is wrong with the bytes of a Parquet file."""
    if not is_sealed(data):
        return f"is damaged, its bytes are not those that its checksum was made of: {AGAIN}"
    try:
        table = decode_table(data)
    except (OSError, ValueError) as error:
        return f"can't be read ({error}): {AGAIN}"
    if expected is not None and not table.schema.equals(expected):
        return f"has the columns {table.column_names}, expected {expected.names}: it is of another version"
    return None


def _part_problem(folder: RunFolder, record: RunRecord, name: str) -> str | None:
    if _PART.fullmatch(name.rsplit("/", 1)[1]) is None:
        return "is no part of this project: delete it"
    data = folder.read(name)
    if (problem := _file_problem(data)) is not None:
        return problem
    footer = read_footer(folder, name)
    if footer is None:
        return f"has no footer of this project: {AGAIN}"
    lineage = footer.lineage
    if lineage is None or footer.content_hash != hashed_json(json.loads(footer.lineage_json)):
        return f"has a content hash that is not that of its lineage: {AGAIN}"
    table = decode_table(data)
    expected = _expected(name, table.column_names)
    if not table.schema.equals(expected):
        return f"has the columns {table.column_names}, expected {expected.names}: it is of another version"
    return _rows_problem(record, name, footer, table) or _origin_problem(folder, name, lineage)


def _rows_problem(record: RunRecord, name: str, footer: Footer, table: pa.Table) -> str | None:
    number = _number(name)
    assigned = set(record.parts[number]) if number < len(record.parts) else set()
    names = ["source_id", *(["distortion", "candidate"] if name.startswith("candidates/") else ["degradation"])]
    keys = list(zip(*(table[column].to_pylist() for column in names), strict=True))
    unassigned = sorted({key[0] for key in keys} - assigned)
    if unassigned:
        return f"holds the image '{unassigned[0]}', which {NAME} doesn't put into this part: {AGAIN}"
    if len(set(keys)) != len(keys):
        return f"lists an image twice: {AGAIN}"
    lineage = footer.lineage
    if isinstance(lineage, RenderedLineage) and footer.complete:
        wanted = len(lineage.sources) * len({key[1] for key in keys})
        if len(keys) != wanted:
            return f"has {len(keys)} rows, its {len(lineage.sources)} images ask for {wanted}: {AGAIN}"
    return None


def _origin_problem(folder: RunFolder, name: str, lineage: Lineage) -> str | None:
    """Whether the parts that scores and labels were made from are those that are there."""
    for origin, state in _origins(name, lineage).items():
        there = read_footer(folder, origin)
        if state is not None and (there is None or there.state != state):
            return f"was not made from the '{origin}' that is there: run 'miqd label' again"
    return None


def _origins(name: str, lineage: Lineage) -> dict[str, PartState | None]:
    """The parts in a part's lineage, with their state then."""
    folder, _, _ = name.rpartition("/")
    number = _number(name)
    if isinstance(lineage, ScoresLineage):
        return {f"{folder.replace('scores', 'responses', 1)}/{part_name(number)}": lineage.responses}
    if isinstance(lineage, LabelsLineage):
        scores = folder.replace("labels", "scores", 1)
        origins = {f"{scores}/model={model}/{part_name(number)}": state for model, state in lineage.scores.items()}
        return {table_path("variants", number): lineage.variants, **origins}
    return {}


def _number(part: str) -> int:
    found = _PART.search(part)
    assert found is not None
    return int(found[1])


def _expected(name: str, columns: list[str]) -> pa.Schema:
    schema = schema_of(name)
    assert schema is not None
    if not name.startswith("variants/"):
        return schema
    earlier = (pa.field(name, pa.float64()) for name in ("ssim", "ms_ssim") if name in columns)
    return pa.schema([*(CODED_VARIANTS if "bytes" in columns else schema), *earlier])


def _mask_problem(data: bytes) -> str | None:
    """What is wrong with a stored ROI mask; where one isn't there, it is computed whenever it is needed."""
    try:
        _, made_from = decode_mask(data)
    except ValueError as error:
        return f"can't be read ({error}): delete it, the mask is computed again when it is needed"
    return None if made_from else "doesn't say what it was made from: delete it"


def _images(folder: RunFolder, variants: str) -> Iterator[Checked]:
    try:
        rows = read_part(folder, variants, ["source_id", "degradation", "pixel_sha256"]).to_pylist()
    except MiqdError:
        return
    for row in rows:
        # Not its column file_name: a folder that comes from elsewhere could name any file with it.
        name = f"images/{image_path(row['source_id'], row['degradation'])}"
        try:
            data = folder.read(name)
            same = hashlib.sha256(decode_png(data).tobytes()).hexdigest() == row["pixel_sha256"]
            right = same and data.endswith(_PNG_END)
            yield (
                name,
                None if right else f"differs from its hash in '{variants}': delete that part and run degrade again",
            )
        except (FileNotFoundError, MiqdError):
            yield name, f"is missing or damaged: delete '{variants}' and run degrade again"
