"""Files of a source: which of them are images, what their ids are, and which can't be used."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from miqd_builder.errors import ConfigError
from miqd_builder.sources.images import IMAGE_SUFFIXES

MAX_ID_BYTES = 200
"""Longest id in UTF-8: it names a folder, and is the beginning of file names."""

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\:*?\"<>|=]")


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """An image file that can't be a source.

    Attributes:
        name: the file, below the image folder; characters that can't be printed are escaped.
        reason: why, and the remedy.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class NamedFile:
    """An image file of a source.

    Attributes:
        source_id: the stem; where subfolders count, the path without its suffix, its parts joined by two underscores.
        name: the path below the image folder.
        path: where it is.
    """

    source_id: str
    name: str
    path: Path

    @classmethod
    def below(cls, folder: Path, name: str, *, recursive: bool) -> NamedFile:
        """Name a file by its path below the image folder."""
        return cls(id_of(name) if recursive else PurePath(name).stem, name, folder / name)


def id_of(name: str) -> str:
    """Return the id of a file by its path below the image folder."""
    return "__".join(PurePath(name).with_suffix("").parts)


def is_hidden(name: str) -> bool:
    """Tell whether a part of a path begins with a dot."""
    return any(part.startswith(".") for part in PurePath(name).parts)


def image_files(folder: Path, *, recursive: bool = False) -> list[NamedFile]:
    """Return the image files of a folder, sorted by name; hidden ones are none.

    Raises:
        ConfigError: the folder doesn't exist, can't be read or holds no image.
    """
    check_folder(folder)
    files = files_below(folder, IMAGE_SUFFIXES, recursive=recursive)
    if not files:
        raise ConfigError(f"Image folder '{folder}' holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}).")
    return files


def check_folder(folder: Path) -> None:
    """Refuse an image folder that isn't there.

    Raises:
        ConfigError: there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"Image folder '{folder}' doesn't exist: set source.images to the folder that holds the images.")


def files_below(folder: Path, suffixes: Iterable[str], *, recursive: bool) -> list[NamedFile]:
    """Return the files with one of these suffixes, sorted by name, without what is hidden.

    Links to folders are followed once everything else was seen; no folder is entered twice, so that loops end.

    Raises:
        ConfigError: a folder can't be read.
    """
    wanted, found = frozenset(suffixes), []
    seen: set[str] = set()
    starts = [folder]
    for start in starts:
        for place, subfolders, names in os.walk(start, onerror=_unreadable):
            here = Path(place)
            if os.path.realpath(here) in seen:
                subfolders.clear()
                continue
            seen.add(os.path.realpath(here))
            found += [here / n for n in names if PurePath(n).suffix.lower() in wanted and not n.startswith(".")]
            subfolders[:] = sorted(n for n in subfolders if recursive and not n.startswith("."))
            starts += [here / n for n in subfolders if (here / n).is_symlink()]
    inside = sorted(path.relative_to(folder).as_posix() for path in found if is_file(path))
    return [NamedFile.below(folder, name, recursive=recursive) for name in inside]


def is_file(path: Path) -> bool:
    """Tell whether a file is there, also for a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def usable(files: Iterable[NamedFile]) -> tuple[list[NamedFile], list[RefusedFile]]:
    """Divide files into those whose ids can be used and the others; of files that share an id, the first by name is kept."""
    kept: dict[str, NamedFile] = {}
    refused = []
    for file in sorted(files, key=lambda f: f.name):
        problem = id_problem(file.source_id)
        if not problem and file.source_id in kept:
            first = printable(kept[file.source_id].name)
            problem = f"has the id '{file.source_id}', as '{first}' has, which is used: rename or remove one of them"
        if problem:
            refused.append(RefusedFile(printable(file.name), problem))
        else:
            kept[file.source_id] = file
    return list(kept.values()), refused


def id_problem(source_id: str) -> str | None:
    """Say why a text can't be an image's id, and the remedy; None for one that can."""
    if _UNSAFE.search(source_id):
        return "can't be used as an id: rename it without control characters, quotes and any of / \\ : * ? < > | ="
    if not source_id or source_id.startswith(".") or source_id.endswith((" ", ".")):
        return "can't be used as an id: rename it without a dot at the beginning and without a dot or space at the end"
    if len(source_id.encode()) > MAX_ID_BYTES:
        return f"can't be used as an id: rename it to at most {MAX_ID_BYTES} bytes"
    return None


def left_out(refused: Sequence[RefusedFile]) -> list[str]:
    """Return the note on refused files: one line, none without any."""
    if not refused:
        return []
    count = "1 file is" if len(refused) == 1 else f"{len(refused)} files are"
    return [f"{count} left out: {some([file.name for file in refused])}. The first {refused[0].reason}."]


def nothing_left(folder: Path, refused: Sequence[RefusedFile]) -> ConfigError:
    """Return the error for a folder of which no image can be used."""
    return ConfigError(f"None of the images in '{folder}' can be used. The first, '{refused[0].name}', {refused[0].reason}.")


def printable(text: str) -> str:
    """Escape characters that can't be printed or written as UTF-8."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def some(items: Sequence[object], shown: int = 3) -> str:
    """List the first few items of many, for messages."""
    rest = f" and {len(items) - shown} more" if len(items) > shown else ""
    return ", ".join(f"'{item}'" for item in items[:shown]) + rest


def _unreadable(error: OSError) -> None:
    raise ConfigError(f"Folder '{error.filename}' can't be read ({error.strerror}): allow it, or take it out of the source.")
