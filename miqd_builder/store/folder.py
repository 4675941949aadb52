"""A run folder on any fsspec file system: where things are, and how they are written so that a torn file never counts."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from miqd_builder.errors import StoreError

TEMPORARY = ".tmp"


class RunFolder:
    """Paths and atomic files of one run folder.

    Args:
        url: local path or fsspec url, for example ``s3://bucket/run``.
    """

    def __init__(self, url: str) -> None:
        self.url = str(url)
        self.fs, root = fsspec.core.url_to_fs(self.url)
        self.root = str(root).rstrip("/")
        self.local = isinstance(self.fs, LocalFileSystem)

    def path(self, name: str) -> str:
        """Return the full path of a file inside the folder."""
        return f"{self.root}/{name}"

    def exists(self, name: str) -> bool:
        """Tell whether the file is there, complete."""
        return bool(self.fs.exists(self.path(name)))

    def read(self, name: str) -> bytes:
        """Return a file's content.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return self.fs.cat_file(self.path(name))

    def write(self, name: str, data: bytes, *, flush: bool = True) -> None:
        """Write a file so that it is either there in whole or not at all.

        Local files go to a temporary name and are renamed; object stores publish a put only when it is complete.

        Args:
            name: path inside the folder.
            data: the content.
            flush: whether the content must be on the disk before the name appears (parts), or may follow (images).

        Raises:
            StoreError: the disk is full or the folder can't be written.
        """
        path = self.path(name)
        try:
            if not self.local:
                self.fs.pipe_file(path, data)
                return
            temporary = f"{path}.{uuid.uuid4().hex[:8]}{TEMPORARY}"
            try:
                self._write_local(temporary, data, flush)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StoreError(_explain(error, path)) from error

    @staticmethod
    def _write_local(path: str, data: bytes, flush: bool) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with Path(path).open("wb") as file:
            file.write(data)
            if flush:
                file.flush()
                os.fsync(file.fileno())

    def flush(self) -> None:
        """Wait until everything written with ``flush=False`` is on the disk."""
        if self.local:
            os.sync()

    def list(self, pattern: str) -> list[str]:
        """Return the names of the files that match a glob, sorted, relative to the folder."""
        found = self.fs.glob(self.path(pattern))
        return sorted(
            str(path)[len(self.root) + 1 :] if self.local else str(path).split(self.root + "/", 1)[1] for path in found
        )

    def remove(self, name: str) -> None:
        """Remove a file; one that isn't there is fine."""
        if self.fs.exists(self.path(name)):
            self.fs.rm_file(self.path(name))

    def remove_temporary(self, name: str) -> None:
        """Remove what killed writers left anywhere below a sub-folder. No other run may be writing there."""
        if self.local:
            for path in Path(self.path(name)).rglob(f"*{TEMPORARY}"):
                path.unlink(missing_ok=True)


def _explain(error: OSError, path: str) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"No space left while writing '{path}'. Free some and run the same command again: finished parts are kept."
    return f"Can't write '{path}' ({error.strerror or error}). Check the folder's permissions, or choose another --out."
