"""Limits of the Hub: numbers of files, their sizes, and what its viewer can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from miqd_builder.formats.checking.findings import DataSetFolder, Finding, found

FILES, FILES_PER_FOLDER = 100_000, 10_000
PARQUET_BYTES = 500_000_000
"""Of one Parquet file: larger ones take the viewer too long."""
TAR_BYTES = 5_000_000_000
ROW_GROUP_BYTES = 300_000_000
"""Uncompressed: the viewer refuses to read larger row groups."""


def check_limits(folder: DataSetFolder) -> Iterator[Finding]:
    """Look at the numbers and sizes of files."""
    count = len(folder.sizes)
    too_many = [f"{count:,} files: merge them into fewer"] if count >= FILES else []
    yield found("files of the repository", too_many, f"{count:,}, under {FILES:,}")
    entries: Counter[str] = Counter()
    seen: set[str] = set()
    for name in folder.sizes:
        parts = name.split("/")
        for depth in range(len(parts)):
            entry = "/".join(parts[: depth + 1])
            if entry not in seen:
                seen.add(entry)
                entries["/".join(parts[:depth])] += 1
    crowded = [f"'{name or '.'}' has {n:,} entries: divide it" for name, n in entries.items() if n >= FILES_PER_FOLDER]
    most = max(entries.values(), default=0)
    yield found("entries of a folder", crowded, f"at most {most:,}, under {FILES_PER_FOLDER:,}")
    for suffix, limit in ((".parquet", PARQUET_BYTES), (".tar", TAR_BYTES)):
        sizes = {name: size for name, size in folder.sizes.items() if name.endswith(suffix)}
        if sizes:
            large = [
                f"'{name}' has {size / 1e6:,.0f} MB: publish it in smaller files"
                for name, size in sizes.items()
                if size > limit
            ]
            yield found(
                f"sizes of {suffix} files", large, f"at most {max(sizes.values()) / 1e6:,.1f} MB, under {limit / 1e6:,.0f} MB"
            )
