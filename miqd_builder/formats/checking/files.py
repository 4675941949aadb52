"""Every file against the manifest: there, of its size, with its hash, and nothing else beside them."""

from __future__ import annotations

from collections.abc import Iterator

from miqd_builder.formats.checking.findings import DataSetFolder, Finding, found
from miqd_builder.formats.publication.manifest import NAME
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.streams import file_sha256


def check_files(folder: DataSetFolder) -> Iterator[Finding]:
    """Compare the files with the manifest."""
    manifest = folder.manifest
    if manifest is None:
        yield Finding("manifest", False, f"there is no {NAME}: publish with 'miqd publish'")
        return
    if not manifest.finished:
        yield Finding("manifest", False, "the publication was interrupted: run the same 'miqd publish' again")
    else:
        yield Finding("manifest", True, f"{manifest.title} {manifest.releases[0].version}, {len(manifest.files):,} files")
    if manifest.missing:
        yield Finding("completeness", True, f"published as incomplete, and the card says so: {'; '.join(manifest.missing)}")
    if not manifest.files:
        yield Finding("hashes", None, f"format {manifest.format} records none")
        return
    target = RunFolder(str(folder.path))
    problems = []
    for name, entry in manifest.files.items():
        if name not in folder.sizes:
            problems.append(f"'{name}' is missing")
        elif folder.sizes[name] != entry["size"] or file_sha256(target, name) != entry["sha256"]:
            problems.append(f"'{name}' is not the file that was published")
    remedy = ["delete the damaged files and run the same 'miqd publish' again"] if problems else []
    yield found("hashes", [*remedy, *problems], f"{len(manifest.files):,} files have the hashes that were published")
    extra = [f"'{name}' is not part of the data set: remove it" for name in folder.sizes if name not in (*manifest.files, NAME)]
    yield found("other files", extra, "none")
