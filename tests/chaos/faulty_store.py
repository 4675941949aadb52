"""An object store that fails: moto's server behind a proxy that answers with errors, breaks off, is late, or lists what was."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.pipelines.children import child, wait_for

BUCKET = "chaos"
KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "5",
}
FAULTS = ("500", "503", "torn", "dropped", "late", "stale")
_ERROR = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>made up</Message></Error>'
_CODES = {"500": "InternalError", "503": "SlowDown"}


@contextmanager
def faulty_store(folder: Path, seed: int, share: float) -> Iterator[tuple[str, str]]:
    """Serve an empty bucket; yields the address of the store itself, and one at which a share of the requests fails."""
    server, proxy = folder / "server", folder / "proxy"
    with child(_serve, str(server)):
        address = wait_for(lambda: server.exists() and server.read_text(), "the store never started")
        with child(_fail, str(proxy), address, seed, share, str(folder / "failed.txt")):
            yield address, wait_for(lambda: proxy.exists() and proxy.read_text(), "the proxy never started")


def counts(folder: Path) -> Counter[str]:
    """Return how often each fault happened."""
    file = folder / "failed.txt"
    return Counter(file.read_text().split()) if file.exists() else Counter()


def _serve(ready: str) -> None:
    from moto.backends import get_backend
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(BUCKET, "us-east-1")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    Path(ready).write_text(f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()


def _fail(ready: str, address: str, seed: int, share: float, log: str) -> None:
    asyncio.run(_Proxy(address, random.Random(f"store {seed}"), share, Path(log)).serve(Path(ready)))


class _Proxy:
    """Passes requests on, but for a share of them, of which it draws what happens."""

    def __init__(self, address: str, rng: random.Random, share: float, log: Path) -> None:
        self.address, self.rng, self.share, self.log = address, rng, share, log
        self.listed: dict[str, tuple[int, dict[str, str], bytes]] = {}

    async def serve(self, ready: Path) -> None:
        """Listen until the process is killed."""
        import aiohttp
        from aiohttp import web

        app = web.Application(client_max_size=2**28)
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app, access_log=None, auto_decompress=False)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.session = aiohttp.ClientSession(auto_decompress=False)
        ready.write_text(f"http://127.0.0.1:{runner.addresses[0][1]}")
        await asyncio.Event().wait()

    async def answer(self, request: Any) -> Any:
        """Answer one request, or fail."""
        from aiohttp import web

        fault = self.rng.choice(FAULTS) if self.rng.random() < self.share else None
        body = await request.read()
        listing = request.method == "GET" and "list-type" in request.query_string
        if fault == "stale" and (not listing or request.path_qs not in self.listed):
            fault = None
        if fault is not None:
            with self.log.open("a") as file:
                file.write(f"{fault}\n")
        if fault in _CODES:
            return web.Response(status=int(fault or 0), text=_ERROR.format(code=_CODES[fault or ""]), content_type="text/xml")
        if fault == "dropped":
            request.transport.close()
            return web.Response()
        if fault == "late":
            await asyncio.sleep(self.rng.uniform(0.5, 3))
        status, headers, data = self.listed[request.path_qs] if fault == "stale" else await self._ask(request, body)
        if listing:
            self.listed[request.path_qs] = status, headers, data
        if fault == "torn":
            return await self._torn(request, status, headers, data)
        return web.Response(status=status, headers=headers, body=data)

    async def _ask(self, request: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        from yarl import URL

        url = URL(self.address + request.raw_path, encoded=True)
        async with self.session.request(request.method, url, headers=request.headers, data=body) as answer:
            left_out = ("transfer-encoding", "connection", "content-encoding", "date", "server")
            if request.method != "HEAD":
                left_out += ("content-length",)
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in left_out}
            return answer.status, headers, await answer.read()

    async def _torn(self, request: Any, status: int, headers: dict[str, str], data: bytes) -> Any:
        """The store did what it was asked for, but its answer breaks off."""
        from aiohttp import web

        response = web.StreamResponse(status=status, headers=headers | {"Content-Length": str(len(data) + 10)})
        await response.prepare(request)
        await response.write(data[: len(data) // 2])
        request.transport.close()
        return response
