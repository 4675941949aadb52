"""Licences: whether images are embedded that may not be passed on, or not in a degraded form."""

from __future__ import annotations

from collections.abc import Iterator

from miqd_builder.formats.checking.findings import DataSetFolder, Finding
from miqd_builder.formats.publication.licences import restriction

PIXELS = ("images/", "images-sample/", "preview/")
"""How the paths of Parquet files with images begin."""
IMAGE_FILES = (".png", ".jpg", ".jpeg")


NO_DERIVATIVES = ("noderiv", "no deriv", "-nd", "/nd")
"""What names or addresses of licences have that allow copies, but no changed ones."""


def check_licences(folder: DataSetFolder) -> Iterator[Finding]:
    """Compare the embedded images with what the manifest says of their sources."""
    manifest = folder.manifest
    if manifest is None:
        return
    reason = restriction([kind for run in manifest.runs for kind in run["source"]])
    embedded = [name for name in folder.sizes if name.startswith(PIXELS) or name.lower().endswith((".tar", *IMAGE_FILES))]
    if embedded:
        yield from _no_derivatives(folder)
    if not embedded:
        yield Finding("licences of images", True, "no image is embedded")
    elif reason is None:
        yield Finding("licences of images", True, "nothing is known against passing them on; each keeps its own licence")
    elif manifest.may_pass_on:
        yield Finding("licences of images", True, f"the publisher said that these may be passed on, although: {reason}")
    else:
        yield Finding("licences of images", False, f"'{embedded[0]}' embeds images, but {reason}: publish with --images none")


def _no_derivatives(folder: DataSetFolder) -> Iterator[Finding]:
    """Count the embedded photographs of which no changed copies may be published."""
    import pyarrow.parquet as pq

    found: dict[str, str] = {}
    for name in folder.parquet():
        if not name.startswith(("images/", "images-sample/")):
            continue
        for row in pq.read_table(folder.path / name, columns=["source_id", "licence", "licence_url"]).to_pylist():
            stated = f"{row['licence'] or ''} {row['licence_url'] or ''}".lower()
            if any(word in stated for word in NO_DERIVATIVES):
                found[row["source_id"]] = str(row["licence"] or row["licence_url"])
    if found:
        first, licence = next(iter(sorted(found.items())))
        text = f"{len(found)} embedded photographs are under a licence without derivatives ('{first}': {licence})"
        yield Finding("licences without derivatives", None, f"{text}: degraded ones may need their authors' consent")
