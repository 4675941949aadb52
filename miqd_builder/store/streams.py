"""Large files, written as they grow: whole or not at all, and hashed on the way."""

from __future__ import annotations

import hashlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from miqd_builder.store.folder import TEMPORARY, RunFolder

BLOCK_BYTES = 2**22


class HashedStream:
    """A file that is written front to back.

    Attributes:
        size: bytes written so far.

    Args:
        file: where they go.
    """

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written so far."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> int:
        """Append some bytes and return their number."""
        self._file.write(data)
        self._digest.update(data)
        count = memoryview(data).nbytes
        self.size += count
        return count

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self.size

    def flush(self) -> None:
        """Do nothing: what is written is flushed in the end."""

    def close(self) -> None:
        """Do nothing: whoever opened the stream closes it."""


@contextmanager
def write_stream(folder: RunFolder, name: str) -> Iterator[HashedStream]:
    """Write a file front to back; it appears under its name when the block ends without an error, and not before.

    Local files grow under a temporary name beside it. For an object store they grow in a temporary file of this machine and
    are put when they are complete.

    Args:
        folder: where it goes.
        name: path inside the folder.

    Raises:
        StoreError: the disk is full, or the folder can't be written.
    """
    with folder.access("write", name):
        if not folder.local:
            with tempfile.NamedTemporaryFile(suffix=TEMPORARY) as spool:
                yield HashedStream(spool)  # type: ignore[arg-type]
                spool.flush()
                folder.fs.put_file(spool.name, folder.path(name))
            return
        target = Path(folder.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}{TEMPORARY}")
        try:
            with temporary.open("wb") as file:
                yield HashedStream(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def file_sha256(folder: RunFolder, name: str) -> str:
    """Return the SHA-256 of a file, read block by block.

    Raises:
        FileNotFoundError: there is no such file.
        StoreError: it can't be read.
    """
    digest = hashlib.sha256()
    with folder.access("read", name), folder.fs.open(folder.path(name), "rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
