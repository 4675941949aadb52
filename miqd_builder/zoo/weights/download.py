"""One file from a web server to the disk: resumed where it broke off, checked, and put into its place whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from threading import Event
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from miqd_builder import __version__
from miqd_builder.errors import DownloadError

CHUNK_BYTES = 2**20
TIMEOUT_S = 30
ATTEMPTS = 5
"""Attempts in a row that bring nothing new before a download is given up."""
BUSY = (408, 425, 429, 500, 502, 503, 504)
"""HTTP status codes after which it is worth trying again."""

Report = Callable[[int, int | None], None]
"""Called with the bytes that are on the disk and with those of the whole file, None where the server doesn't say."""


@dataclass(slots=True)
class _Stated:
    """The server's statements on the whole file: its length in bytes and its sha256."""

    total: int | None = None
    sha256: str | None = None


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None,
    md5: str | None = None,
    report: Report = lambda done, total: None,
    stop: Event | None = None,
    pause_s: float = 1.0,
) -> str:
    """Download a file, resuming an interrupted attempt, and return its sha256.

    A partial download lies beside the target as ``<name>.part``. A file that turns out to be another one than expected is
    kept as ``<name>.wrong``; the target appears, or is replaced, only by the right one.

    Args:
        url: http or https.
        target: the file's place; its folder is made.
        sha256: full or its first digits; None takes the one that a model hub states with its answer.
        md5: for a file whose sha256 nobody states.
        report: called as bytes arrive.
        stop: ends the download when it is set; the partial download stays.
        pause_s: seconds before the second attempt, doubled before each further one.

    Raises:
        DownloadError: no connection, the server refuses, the disk is full, or it is another file.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _owned(part) as stream:
            stated = _complete(url, target, stream, report, stop or Event(), pause_s)
            stream.flush()
            os.fsync(stream.fileno())
            return _put_in_place(url, part, target, sha256 or stated.sha256, md5)
    except OSError as error:  # of the network they are handled where they can be retried
        raise DownloadError(_unwritable(part, error)) from None


@contextmanager
def _owned(part: Path) -> Iterator[IO[bytes]]:
    """Open the file for appending, for this process alone."""
    with part.open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = os.path.samestat(os.fstat(stream.fileno()), part.stat())
        except (BlockingIOError, FileNotFoundError):
            mine = False
        if not mine:
            raise DownloadError(f"Another process is downloading {part}: wait for it, then run again.")
        try:
            yield stream
        except DownloadError:
            if part.is_file() and not part.stat().st_size:
                part.unlink()
            raise


def _put_in_place(url: str, part: Path, target: Path, sha256: str | None, md5: str | None) -> str:
    """Check what came and give it its name; returns its sha256."""
    wrong = target.with_name(f"{target.name}.wrong")
    if sha256 is None and md5 is None:
        part.replace(wrong)
        raise DownloadError(
            f"No sha256 of {url} is known: add it to the zoo entry. The download is kept as {wrong}; nothing was replaced."
        )
    found = compared = _digest(part, "sha256")
    kind, expected = "sha256", sha256
    if sha256 is None:
        kind, expected, compared = "md5", md5, _digest(part, "md5")
    if not compared.startswith(str(expected)):
        size = part.stat().st_size
        part.replace(wrong)
        raise DownloadError(
            f"{url} is not the expected file: its {size} bytes have {kind} {compared}, expected {expected}. They are kept as "
            f"{wrong}; nothing was replaced. Run the command again, or correct the zoo entry."
        )
    if target.exists():  # it was there and wrong
        target.replace(wrong)
    part.replace(target)
    return found


def _digest(file: Path, kind: str) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def _complete(url: str, target: Path, stream: IO[bytes], report: Report, stop: Event, pause_s: float) -> _Stated:
    """Append to the stream until it holds the whole file."""
    failures = 0
    while True:
        before = stream.seek(0, os.SEEK_END)
        try:
            return _transfer(url, stream, report, stop)
        except (OSError, HTTPException) as error:
            done = stream.seek(0, os.SEEK_END)
            failures = failures + 1 if done <= before else 1
            if failures == ATTEMPTS or not _passes(error):
                raise DownloadError(_explain(error, url, target, done)) from None
        if stop.wait(pause_s * 2 ** (failures - 1)):
            raise DownloadError(f"Download of {url} was stopped.")


def _transfer(url: str, stream: IO[bytes], report: Report, stop: Event) -> _Stated:
    """Ask once for what is missing and append it.

    Raises:
        OSError, HTTPException: the network or the server failed.
    """
    redirects = _Redirects()
    offset = stream.tell()
    headers = {"User-Agent": f"miqd-builder/{__version__}", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    try:
        response: Any = build_opener(redirects).open(Request(url, headers=headers), timeout=TIMEOUT_S)
    except HTTPError as error:
        if error.code != 416:
            raise
        # Nothing lies behind the offset: all is there, or what is there belongs to another file.
        total = _length(error.headers, r"bytes \*/(\d+)")
        if total == offset:
            return _Stated(total, redirects.sha256 or _hash_in(error.headers))
        stream.truncate(0)
        raise ConnectionError(f"the server has {total} bytes, {offset} were here") from None
    with response:
        if response.status == 206 and _length(response.headers, r"bytes (\d+)-") == offset:
            total = _length(response.headers, r"bytes \d+-\d+/(\d+)")
        else:
            stream.truncate(0)
            total = int(response.headers["Content-Length"]) if response.headers["Content-Length"] else None
        _append(response, stream, total, report, stop)
        return _Stated(total, redirects.sha256 or _hash_in(response.headers))


def _append(response: Any, stream: IO[bytes], total: int | None, report: Report, stop: Event) -> None:
    done = stream.seek(0, os.SEEK_END)
    report(done, total)
    while chunk := response.read(CHUNK_BYTES):
        if stop.is_set():
            raise DownloadError("Download was stopped.")
        try:
            stream.write(chunk)
        except OSError as error:
            raise DownloadError(_unwritable(stream.name, error)) from None
        done += len(chunk)
        report(done, total)
    if total is not None and done != total:  # http.client takes a connection that ends early for the end of the file
        if done > total:
            stream.truncate(0)
        raise ConnectionError(f"the connection ended at {done} of {total} bytes")


class _Redirects(HTTPRedirectHandler):
    """Follows redirects and keeps the sha256 that a model hub states before it sends on to the server of the file."""

    sha256: str | None = None

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        self.sha256 = _hash_in(headers) or self.sha256
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _hash_in(headers: Message) -> str | None:
    """The sha256 in a model hub's headers; the tag of a small file is a hash of another kind and doesn't count."""
    found = re.search(r"\b[0-9a-f]{64}\b", headers.get("X-Linked-ETag") or headers.get("ETag") or "")
    return found[0] if found else None


def _length(headers: Message, pattern: str) -> int | None:
    found = re.match(pattern, headers.get("Content-Range") or "")
    return int(found[1]) if found else None


def _unwritable(part: Path | str, error: OSError) -> str:
    return f"Can't write {part} ({error.strerror}): free the disk, or set MIQD_CACHE to another folder."


def _passes(error: Exception) -> bool:
    """Whether it is worth trying again."""
    if isinstance(error, HTTPError):
        return error.code in BUSY
    reason = error.reason if isinstance(error, URLError) else error
    return not isinstance(reason, socket.gaierror | ConnectionRefusedError | ssl.SSLCertVerificationError)


def _explain(error: Exception, url: str, target: Path, done: int) -> str:
    if isinstance(error, HTTPError):
        remedy = "Try again later." if error.code in BUSY else "Correct the zoo entry."
        return f"{url} can't be downloaded: the server answers {error.code} {error.reason}. {remedy}"
    reason = error.reason if isinstance(error, URLError) else error
    kept = f" {done} bytes are kept: run the command again to go on." if done else ""
    return (
        f"{url} can't be downloaded ({' '.join(str(reason).split()) or type(reason).__name__}).{kept} "
        f"Without a network, copy the file from another machine to {target}"
    )
