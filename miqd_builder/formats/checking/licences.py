"""Licences: whether images are embedded that may not be passed on."""

from __future__ import annotations

from collections.abc import Iterator

from miqd_builder.formats.checking.findings import DataSetFolder, Finding
from miqd_builder.formats.publication.licences import restriction

PIXELS = ("images/", "images-sample/", "preview/")
"""How the paths of Parquet files with images begin."""
IMAGE_FILES = (".png", ".jpg", ".jpeg")


def check_licences(folder: DataSetFolder) -> Iterator[Finding]:
    """Compare the embedded images with what the manifest says of their sources."""
    manifest = folder.manifest
    if manifest is None:
        return
    reason = restriction([kind for run in manifest.runs for kind in run["source"]])
    embedded = [name for name in folder.sizes if name.startswith(PIXELS) or name.lower().endswith((".tar", *IMAGE_FILES))]
    if not embedded:
        yield Finding("licences of images", True, "no image is embedded")
    elif reason is None:
        yield Finding("licences of images", True, "nothing is known against passing them on; each keeps its own licence")
    elif manifest.may_pass_on:
        yield Finding("licences of images", True, f"the publisher said that these may be passed on, although: {reason}")
    else:
        yield Finding("licences of images", False, f"'{embedded[0]}' embeds images, but {reason}: publish with --images none")
