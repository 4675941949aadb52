"""Many files of a file system at once: their last bytes, and identities that show whether they have changed."""

from __future__ import annotations

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

AT_ONCE = 64
"""Reads that are under way at the same time."""
SETTLED_SECONDS = 1.0
_TAGS = ("ETag", "etag", "md5Hash", "content_md5")
"""Names that stores use for the tag of a content."""


def tails(fs: fsspec.AbstractFileSystem, paths: list[str], last: int) -> list[bytes | Exception]:
    """Return the last bytes of each file, at most ``last``, or why they can't be read."""
    if fs.async_impl:
        starts = [-last] * len(paths)
        return list(fs.cat_ranges(paths, starts, [None] * len(paths), on_error="return", batch_size=AT_ONCE))

    def read(path: str) -> bytes | Exception:
        try:
            return _local_tail(path, last) if isinstance(fs, LocalFileSystem) else bytes(fs.cat_file(path, start=-last))
        except OSError as error:
            return error

    with ThreadPoolExecutor(min(len(paths), AT_ONCE, 4 * (os.cpu_count() or 1))) as pool:
        return list(pool.map(read, paths))


def _local_tail(path: str, last: int) -> bytes:
    file = os.open(path, os.O_RDONLY)
    try:
        return os.pread(file, last, max(0, os.fstat(file).st_size - last))
    finally:
        os.close(file)


def identities(fs: fsspec.AbstractFileSystem, root: str) -> dict[str, str | None]:
    """Return the files below a folder by their path in it, each with an identity that changes with the file.

    The identity is the tag that an object store gives to a content, or the inode, size and times of a local file. None in a
    store without tags, and for a local file younger than :data:`SETTLED_SECONDS`: it may change within a tick of the file
    system's clock.
    """
    return _local_identities(root) if isinstance(fs, LocalFileSystem) else _remote_identities(fs, root)


def _local_identities(root: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    settled = (time.time() - SETTLED_SECONDS) * 1e9
    folders = [root] if Path(root).is_dir() else []
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders.append(entry.path)
                    continue
                with contextlib.suppress(FileNotFoundError):
                    s = entry.stat()
                    identity = f"{s.st_ino}-{s.st_size}-{s.st_mtime_ns}-{s.st_ctime_ns}"
                    found[entry.path[len(root) + 1 :]] = identity if s.st_ctime_ns < settled else None
    return found


def _remote_identities(fs: fsspec.AbstractFileSystem, root: str) -> dict[str, str | None]:
    try:
        infos = fs.find(root, detail=True)
    except FileNotFoundError:
        return {}
    tags = {path: next((str(info[key]) for key in _TAGS if info.get(key)), None) for path, info in infos.items()}
    inside = root.lstrip("/") + "/"  # a store whose listing failed in part may answer with the folder itself
    return {str(path).split(inside, 1)[1]: tag for path, tag in tags.items() if inside in str(path)}
