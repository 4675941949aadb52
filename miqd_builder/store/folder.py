"""A run folder on any fsspec file system: paths, and atomic writes, so that a partly written file never counts."""

from __future__ import annotations

import errno
import glob
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from miqd_builder.errors import ConfigError, StoreError, did_you_mean
from miqd_builder.store import many_files

TEMPORARY = ".tmp"
IMAGES = "images"

_PLUGINS = {"s3fs": "pip install 'miqd-builder[s3]'", "gcsfs": "pip install gcsfs", "adlfs": "pip install adlfs"}


class RunFolder:
    """Paths and atomic files of one run folder.

    Args:
        url: local path or fsspec url, for example ``s3://bucket/run``.

    Raises:
        ConfigError: the url's file system is unknown or its package is missing.
    """

    def __init__(self, url: str) -> None:
        self.url = str(url)
        self.fs, root = _open(self.url)
        self.root = str(root).rstrip("/")
        self.local = isinstance(self.fs, LocalFileSystem)

    def path(self, name: str) -> str:
        """Return the full path of a file inside the folder."""
        return f"{self.root}/{name}"

    def exists(self, name: str) -> bool:
        """Tell whether the file is there, complete."""
        with self.access("reach", name):
            return bool(self.fs.exists(self.path(name)))

    def read(self, name: str, *, last: int | None = None) -> bytes:
        """Return a file's content.

        Args:
            name: path inside the folder.
            last: return only the last bytes, at most this many.

        Raises:
            FileNotFoundError: there is no such file.
            StoreError: the store can't be reached or refuses.
        """
        with self.access("read", name):
            return self.fs.cat_file(self.path(name), start=None if last is None else -last)

    def read_tails(self, names: Sequence[str], last: int) -> dict[str, bytes]:
        """Return the last bytes of many files by name, at most ``last`` of each; files that aren't there are left out.

        Raises:
            StoreError: the store can't be reached or refuses.
        """
        if not names:
            return {}
        with self.access("read", names[0]):
            found = many_files.tails(self.fs, [self.path(name) for name in names], last)
        tails = {}
        for name, tail in zip(names, found, strict=True):
            if isinstance(tail, bytes):
                tails[name] = tail
            elif not isinstance(tail, FileNotFoundError):
                with self.access("read", name):
                    raise tail
        return tails

    def identities(self, folder: str) -> dict[str, str | None]:
        """Return the Parquet files below a folder by name, each with an identity that changes with the file.

        See :func:`many_files.identities`.
        """
        with self.access("list", folder):
            found = many_files.identities(self.fs, self.path(folder))
        return {f"{folder}/{path}": identity for path, identity in sorted(found.items()) if path.endswith(".parquet")}

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
        with self.access("write", name):
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

    def create(self, name: str, data: bytes) -> bool:
        """Write a file unless it is there; of several who try at the same time, one succeeds.

        Local file systems and stores with conditional puts (S3, Google, Azure) decide that by themselves. Other stores are
        asked first whether the file is there, which two who ask at the same moment both pass.

        Returns:
            False if the file is there.

        Raises:
            StoreError: the disk is full or the folder can't be written.
        """
        path = self.path(name)
        with self.access("write", name):
            if not self.local:
                return self._create_remote(path, data)
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            try:
                with Path(path).open("xb", buffering=0) as file:
                    self._fill(file, data)
            except FileExistsError:
                return False
        return True

    @staticmethod
    def _fill(file: FileIO, data: bytes) -> None:
        try:
            file.write(data)
        except BaseException:
            Path(file.name).unlink()
            raise

    def _create_remote(self, path: str, data: bytes) -> bool:
        try:
            self.fs.pipe_file(path, data, mode="create")
        except OSError as error:
            # Stores say "it is there" in several ways.
            if self.fs.exists(path):
                return False
            if error.errno != errno.ENOSYS:
                raise
            self.fs.pipe_file(path, data)
        return True

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
        with self.access("list", pattern):
            found = self.fs.glob(f"{glob.escape(self.root)}/{pattern}")
        return sorted(
            str(path)[len(self.root) + 1 :] if self.local else str(path).split(self.root + "/", 1)[1]
            for path in found
            if f"{self.root}/" in str(path)
        )

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Return the size in bytes of every file below a folder, by name, sorted; none where there is no such folder."""
        with self.access("list", folder):
            found = self.fs.find(self.path(folder) if folder else self.root, detail=True)
        inside = ((str(path).split(f"{self.root.lstrip('/')}/", 1)[1], info) for path, info in found.items())
        return {name: int(info["size"]) for name, info in sorted(inside)}

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        with self.access("remove", name):
            if self.fs.exists(self.path(name)):
                self.fs.rm_file(self.path(name))

    def remove_temporary(self) -> None:
        """Remove temporary files that killed writers left, everywhere but in ``images``. No other run may be writing there.

        An image's leftovers go when its source is rendered again (:meth:`remove_temporary_images`), so that millions of files
        needn't be listed.
        """
        if not self.local or not Path(self.root).is_dir():
            return
        with self.access("clear", ""):
            for entry in Path(self.root).iterdir():
                if entry.is_file():
                    leftovers = [entry] if entry.name.endswith(TEMPORARY) else []
                else:
                    leftovers = [] if entry.name == IMAGES else list(entry.rglob(f"*{TEMPORARY}"))
                for path in leftovers:
                    path.unlink(missing_ok=True)

    def remove_temporary_images(self, source_ids: Iterable[str]) -> None:
        """Remove temporary files that killed writers left beside the images of some sources."""
        if self.local:
            for source_id in source_ids:
                for path in Path(self.path(f"{IMAGES}/{source_id}")).glob(f"*{TEMPORARY}"):
                    path.unlink(missing_ok=True)

    @contextmanager
    def access(self, verb: str, name: str) -> Iterator[None]:
        """Turn a file system's error into one line; reading a file that isn't there stays a FileNotFoundError."""
        try:
            yield
        except OSError as error:
            if verb == "read" and isinstance(error, FileNotFoundError):
                raise
            raise StoreError(_explain(error, verb, self.path(name))) from error
        except Exception as error:
            # Stores without a key or a network raise errors of their client library.
            if type(error).__module__.split(".")[0] not in ("botocore", "aiohttp", "google", "azure"):
                raise
            raise StoreError(f"Can't {verb} '{self.url}' ({error}). Check its address and your credentials.") from error


def _open(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    try:
        # Other processes write into the folder: a remembered listing would hide their files.
        return fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        package = next((name for name in _PLUGINS if name in str(error)), None)
        remedy = f"install it with {_PLUGINS[package]}" if package else str(error)
        raise ConfigError(f"The run folder '{url}' needs a package that is not installed: {remedy}.") from None
    except ValueError:
        known = fsspec.available_protocols()
        protocol = url.split("://", 1)[0]
        raise ConfigError(
            f"The run folder '{url}' is on an unknown file system '{protocol}'.{did_you_mean(protocol, known)}"
        ) from None


def _explain(error: OSError, verb: str, path: str) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"No space left while writing '{path}'. Free some and run the same command again: finished parts are kept."
    return f"Can't {verb} '{path}' ({error.strerror or error}). Check the folder's permissions, or choose another --out."
