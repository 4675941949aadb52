"""A small real web server on the loopback, with the habits and the faults of those that hold checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Thread


@dataclass
class Site:
    """What the server holds and how it behaves.

    Attributes:
        url: where it is.
        files: content by path.
        ranges: whether it answers requests for the rest of a file.
        length: whether it says how long a file is.
        break_after: bytes after which each connection ends.
        busy: number of requests that it answers with 503 first.
        gate: requests wait here for each other.
        redirects: path to ``(path, headers of the redirect)``, as a model hub sends on to its file server.
        requests: ``(path, Range header)`` of each request.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    length: bool = True
    break_after: int | None = None
    busy: int = 0
    gate: Barrier | None = None
    redirects: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)


class Server(ThreadingHTTPServer):
    """A server of one site."""

    def __init__(self, site: Site) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.site = site


class Handler(BaseHTTPRequestHandler):
    """Answers from the server's site."""

    server: Server

    def do_GET(self) -> None:
        """Answer, redirect or fail, as the site says."""
        site = self.server.site
        site.requests.append((self.path, self.headers["Range"]))
        if site.gate is not None:
            site.gate.wait()
        if site.busy:
            site.busy -= 1
            self.send_error(503)
        elif self.path in site.redirects:
            path, headers = site.redirects[self.path]
            self.send_response(302)
            for name, value in {"Location": path, "Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
        elif self.path not in site.files:
            self.send_error(404)
        else:
            self.send_file(site.files[self.path])

    def send_file(self, content: bytes) -> None:
        """Send a file, or the rest of it that was asked for."""
        site = self.server.site
        asked = re.match(r"bytes=(\d+)-$", self.headers["Range"] or "")
        start = int(asked[1]) if asked and site.ranges else 0
        if start and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        rest = content[start:]
        if site.length:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: site.break_after])

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@contextmanager
def serve() -> Iterator[Site]:
    """Run the server while the block runs."""
    site = Site()
    server = Server(site)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
