"""Fetch the checkpoints of some models into the cache folder, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from miqd_builder.errors import MiqdError
from miqd_builder.zoo.entry import Checkpoint
from miqd_builder.zoo.weights.cache import WithCheckpoint, address, difference, hash_note, place
from miqd_builder.zoo.weights.download import download


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A checkpoint that has an address, and the models that it belongs to (a segmenter may be listed as a detector too).

    Attributes:
        names: of the models.
        checkpoint: as in their entries.
        url: what it is downloaded from.
        target: its place in the cache folder.
    """

    names: tuple[str, ...]
    checkpoint: Checkpoint
    url: str
    target: Path

    def is_there(self) -> bool:
        """Whether it is in its place, with the expected hash (where one is known)."""
        return self.target.is_file() and difference(self.target, self.checkpoint) is None


@dataclass(frozen=True, slots=True)
class Fetched:
    """Result of fetching one file.

    Attributes:
        file: which one.
        new_bytes: size of what was downloaded; 0 if it was there already.
        problem: what went wrong, None if it is in its place now.
    """

    file: RemoteFile
    new_bytes: int = 0
    problem: str | None = None


def remote_files(entries: Iterable[WithCheckpoint]) -> list[RemoteFile]:
    """Return the files that the models' checkpoints are downloaded as, each once."""
    names: dict[Path, list[str]] = {}
    checkpoints: dict[Path, Checkpoint] = {}
    for entry in entries:
        if entry.checkpoint is not None and address(entry.checkpoint) is not None:
            target = place(entry.checkpoint)
            names.setdefault(target, []).append(entry.name)
            checkpoints.setdefault(target, entry.checkpoint)
    return [
        RemoteFile(tuple(names[target]), checkpoint, str(address(checkpoint)), target)
        for target, checkpoint in checkpoints.items()
    ]


def fetch(
    files: Sequence[RemoteFile], *, jobs: int = 4, report: Callable[[RemoteFile, int, int | None], None] = lambda *_: None
) -> Iterator[Fetched]:
    """Download what is missing or damaged and yield each file when it is done, in any order.

    Args:
        files: which ones.
        jobs: downloads at a time.
        report: called from the downloading threads with a file, its bytes on the disk, and all its bytes or None.
    """
    stop = Event()

    def one(file: RemoteFile) -> Fetched:
        try:
            return _fetch(file, report, stop)
        except MiqdError as error:
            return Fetched(file, problem=str(error))

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        try:
            for future in as_completed([pool.submit(one, file) for file in files]):
                yield future.result()
        finally:  # also when the user interrupts: partial downloads stay for the next time
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _fetch(file: RemoteFile, report: Callable[[RemoteFile, int, int | None], None], stop: Event) -> Fetched:
    if file.is_there():
        return Fetched(file)
    stated, md5 = file.checkpoint.sha256, file.checkpoint.md5

    def tell(done: int, total: int | None) -> None:
        report(file, done, total)

    found = download(file.url, file.target, sha256=stated, md5=md5, report=tell, stop=stop)
    if stated is None:
        hash_note(file.target).write_text(f"{found}  {file.target.name}\n")
    return Fetched(file, new_bytes=file.target.stat().st_size)
