"""Sources of a published data set: the clean images that its table ``sources`` names, from a folder of the user's."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from miqd_builder.errors import ConfigError
from miqd_builder.sources.base import SourceSet, some, sorted_images, source_image
from miqd_builder.sources.config import SourceConfig
from miqd_builder.sources.files import NamedFile, id_problem, image_files
from miqd_builder.sources.registry import SourceKind, refuse_category_ids
from miqd_builder.sources.truth import ClassLabel

COLUMNS = ("source_id", "file_name", "file_sha256", "class_index")


def open_published(config: SourceConfig) -> SourceSet:
    """List the images that a published data set was made from.

    Args:
        config: ``labels`` is the folder of the table ``sources``, ``images`` a folder that holds the clean images, which may
            lie in subfolders and among others.

    Raises:
        ConfigError: there is no such table, or one of its images isn't in the folder.
    """
    refuse_category_ids(config)
    rows = read_sources(config.labels, COLUMNS)
    files = _find(config.images, rows)
    labels = {row["source_id"]: row["class_index"] for row in rows}
    images = [
        source_image(file, None if (index := labels[file.source_id]) is None else ClassLabel(index), config.max_pixels)
        for file in files
    ]
    return SourceSet(sorted_images(images))


def read_sources(folder: Path | None, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return rows of the table ``sources`` of a published data set.

    Args:
        folder: with its Parquet files.
        columns: that are wanted.

    Raises:
        ConfigError: there is no such table, or it can't be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted(folder.glob("*.parquet")) if folder is not None and folder.is_dir() else []
    if not files:
        raise ConfigError(f"'{folder}' holds no table of sources: expected the folder 'sources' of a published data set.")
    try:
        rows = [row for file in files for row in pq.ParquetFile(file).read(columns=list(columns)).to_pylist()]
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise ConfigError(f"The table of sources in '{folder}' can't be read ({' '.join(str(error).split())}).") from None
    for row in rows:
        lacking = [name for name in columns if name not in row]
        if lacking or id_problem(str(row["source_id"])):
            raise ConfigError(f"The table of sources in '{folder}' is not of a published data set: {row.get('source_id')!r}.")
    return rows


def changed_files(config: SourceConfig) -> list[str]:
    """Return the names of images that are not the files that were published, by their hash; every file is read."""
    wanted = {row["source_id"]: row["file_sha256"] for row in read_sources(config.labels, COLUMNS)}
    return [i.path.name for i in open_published(config).images if i.file_sha256() != wanted[i.source_id]]


def _find(folder: Path, rows: list[dict[str, Any]]) -> list[NamedFile]:
    """The file of each row: the one with its id as path, else the only one of its name."""
    by_id: dict[str, NamedFile] = {}
    by_name: dict[str, list[NamedFile]] = defaultdict(list)
    for file in image_files(folder, recursive=True):
        by_id[file.source_id] = file
        by_name[file.path.name].append(file)
    found: list[NamedFile] = []
    missing: list[str] = []
    for row in rows:
        same = by_name[row["file_name"]]
        own = by_id.get(row["source_id"])
        chosen = own if own in same else same[0] if len(same) == 1 else None
        if chosen is None:
            missing.append(row["file_name"])
        else:
            found.append(NamedFile(row["source_id"], chosen.name, chosen.path))
    if missing:
        raise ConfigError(
            f"'{folder}' lacks {len(missing)} of the {len(rows)} images that the data set was made from ({some(missing)}), or "
            "has several of that name: set source.images to the folder that holds them."
        )
    return found


PUBLISHED = SourceKind(open_published, ("cls",))
