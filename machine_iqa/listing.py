"""Which files a user means: files, folders with all below them, and patterns."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from miqd_builder.errors import ConfigError
from miqd_builder.sources.images import IMAGE_SUFFIXES

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".3gp"})


def is_video(file: Path) -> bool:
    """Tell by its suffix whether a file is a video."""
    return file.suffix.lower() in VIDEO_SUFFIXES


def find_files(paths: Iterable[str | Path]) -> list[Path]:
    """Return the images and videos that paths stand for, each once, in the order given; those of a folder by name.

    Args:
        paths: files of any name; folders, whose images and videos are taken with those of all folders below, hidden ones left
            out; and patterns with ``*``, ``?``, ``[..]`` and ``**``, where there is no such file.

    Raises:
        ConfigError: there are no paths, one isn't there, a pattern fits nothing, or a folder holds no images or videos.
    """
    found: dict[Path, None] = {}
    for path in paths:
        found.update(dict.fromkeys(_files_of(Path(path))))
    if not found:
        raise ConfigError("Nothing to assess: give files, folders or patterns.")
    return list(found)


def _files_of(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        files = [file for file in _below(path) if file.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES]
        if not files:
            raise ConfigError(f"Folder '{path}' holds no images or videos.")
        return files
    if glob.has_magic(str(path)):
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207  # Path.glob takes no absolute one
        files = [file for file in matches if file.is_file()]
        if files:
            return files
        raise ConfigError(f"Pattern '{path}' fits no file.")
    raise ConfigError(f"'{path}' is not there.")


def _below(folder: Path) -> list[Path]:
    inside = sorted(file for file in folder.rglob("*") if file.is_file())
    return [file for file in inside if not any(part.startswith(".") for part in file.relative_to(folder).parts)]
