"""Parquet files: readable, with features, small row groups and a page index; splits that share no source; pixels."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from miqd_builder.errors import UnreadableImageError
from miqd_builder.formats.checking.findings import DataSetFolder, Finding, found
from miqd_builder.formats.checking.limits import ROW_GROUP_BYTES
from miqd_builder.formats.huggingface.features import IMAGE, feature, features_of
from miqd_builder.sources.images import decode_image

_SPLITS = ("train", "validation", "test")


def check_parquet(folder: DataSetFolder) -> Iterator[Finding]:
    """Look into every Parquet file; rows are read of one column, and of one row group of images a file."""
    names = folder.parquet()
    if not names:
        return
    unreadable, schemas, groups = [], [], []
    largest, rows = 0, 0
    by_config: dict[str, pa.Schema] = {}
    split_of: dict[str, dict[str, str]] = defaultdict(dict)
    mixed = []
    for name in names:
        try:
            with pq.ParquetFile(folder.path / name) as file:
                schema, metadata = file.schema_arrow, file.metadata
                ids = file.read(columns=["source_id"])["source_id"].unique().to_pylist()
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            unreadable.append(f"'{name}' ({' '.join(str(error).split())[:80]})")
            continue
        rows += metadata.num_rows
        schemas += _schema_problems(name, schema, by_config)
        sizes = [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]
        largest = max(largest, *sizes, 0)
        groups += _group_problems(name, metadata, sizes)
        config, split = name.split("/")[0], name.rpartition("/")[2].split("-")[0]
        for source_id in ids:
            if split_of[config].setdefault(source_id, split) != split:
                mixed.append(f"image '{source_id}' is in {split_of[config][source_id]} and in {split} of {config}")
    yield found("Parquet files", unreadable, f"{len(names)} can be read, {rows:,} rows")
    yield found("schemas", schemas, "features are in the files, and alike within each configuration")
    yield found("row groups", groups, f"at most {largest / 1e6:,.1f} MB, with a page index")
    yield found("splits", mixed + _disagreements(split_of), "no source image is in two of them")
    yield from _check_pixels(folder, names)


def _schema_problems(name: str, schema: pa.Schema, by_config: dict[str, pa.Schema]) -> list[str]:
    problems = []
    if by_config.setdefault(name.split("/")[0], schema).remove_metadata() != schema.remove_metadata():
        problems.append(f"'{name}' has other columns than its configuration")
    if features_of(schema) != {field.name: feature(field.type) for field in schema}:
        problems.append(f"'{name}' has no 'huggingface' features of its columns in the metadata")
    return problems


def _group_problems(name: str, metadata: pq.FileMetaData, sizes: list[int]) -> list[str]:
    problems = [f"'{name}' has a row group of {size / 1e6:,.0f} MB" for size in sizes if size > ROW_GROUP_BYTES]
    if metadata.num_row_groups and not metadata.row_group(0).column(0).has_offset_index:
        problems.append(f"'{name}' has no page index")
    return problems


def _disagreements(split_of: dict[str, dict[str, str]]) -> list[str]:
    """Sources that are in one split of one configuration and in another of another."""
    first: dict[str, tuple[str, str]] = {}
    problems = []
    for config, splits in split_of.items():
        for source_id, split in splits.items():
            known, where = first.setdefault(source_id, (split, config))
            if known != split:
                problems.append(f"image '{source_id}' is in {known} of {where} and in {split} of {config}")
    return problems


def _check_pixels(folder: DataSetFolder, names: list[str]) -> Iterator[Finding]:
    """Decode the images of one row group of each file, and compare their hashes."""
    problems, count = [], 0
    for name in names:
        try:
            with pq.ParquetFile(folder.path / name) as file:
                columns = [
                    c for c in ("image", "roi") if c in file.schema_arrow.names and file.schema_arrow.field(c).type == IMAGE
                ]
                if not columns or not file.metadata.num_row_groups:
                    continue
                hashes = ["pixel_sha256"] if "pixel_sha256" in file.schema_arrow.names else []
                rows = file.read_row_group(0, columns=[*columns, *hashes]).to_pylist()
        except (OSError, pa.ArrowInvalid):
            continue  # said above
        for row in rows:
            for column in columns:
                problem = _image_problem(row[column], row.get("pixel_sha256"))
                count += 1
                if problem:
                    problems.append(f"'{name}': {problem}")
    if count:
        yield found("images", problems, f"{count:,} decoded, and their pixels have the published hashes")


def _image_problem(image: dict[str, bytes | str], sha256: str | None) -> str | None:
    data, path = image["bytes"], str(image["path"])
    assert isinstance(data, bytes)
    try:
        pixels = decode_image(data, path)
    except UnreadableImageError as error:
        return str(error)
    if sha256 is not None and hashlib.sha256(pixels.tobytes()).hexdigest() != sha256:
        return f"'{path}' has other pixels than its hash says"
    return None
