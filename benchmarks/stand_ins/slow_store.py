"""An object store that answers late: moto's server behind a proxy that keeps back what a client sends, each in a process."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from miqd_builder.store.checksum import BLANK, KEY, seal

BUCKET = "planning"


@contextmanager
def slow_store(folder: Path, seconds: float) -> Iterator[None]:
    """Serve the files of a folder from the bucket, each request answered late; s3fs finds the address in the environment.

    Args:
        folder: a run folder; the name of its folder is where the run is in the bucket.
        seconds: that each request is kept back.
    """
    server, proxy = free_port(), free_port()
    commands = (["--serve", folder, server], ["--delay-to", proxy, server, seconds])
    started = [subprocess.Popen([sys.executable, __file__, *map(str, command)]) for command in commands]
    address = f"http://127.0.0.1:{proxy}"
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {**keys, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": address}
    try:
        while not answers(address):
            assert all(process.poll() is None for process in started), "the server ended"
            time.sleep(0.2)
        yield
    finally:
        for process in started:
            process.terminate()
            process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(address: str) -> bool:
    """Tell whether the store is there."""
    try:
        urllib.request.urlopen(address, timeout=10)
    except OSError:
        return False
    return True


def serve(folder: Path, port: int) -> None:
    """Put the files of a folder into a bucket, without a request for each, with the index that a run there leaves; answer."""
    from moto.backends import get_backend
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import run_simple

    store = get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"]
    store.create_bucket(BUCKET, "us-east-1")
    for path in folder.rglob("*"):
        if path.is_file():
            store.put_object(BUCKET, f"{folder.name}/{path.relative_to(folder)}", path.read_bytes())
    for path in folder.glob("index/*"):
        content = json.loads(path.read_bytes())
        for name, entry in content["parts"].items():
            entry[0] = store.head_object(BUCKET, f"{folder.name}/{name}").etag
        data = seal(json.dumps({**content, KEY: BLANK}).encode())
        store.put_object(BUCKET, f"{folder.name}/index/{path.name}", data)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    run_simple("127.0.0.1", port, DomainDispatcherApplication(create_backend_app), threaded=True)


async def delay(port: int, to: int, seconds: float) -> None:
    """Pass on what clients send after a while, and what the server answers at once."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait: float) -> None:
        try:
            while data := await reader.read(2**20):
                await asyncio.sleep(wait)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer, ask = await asyncio.open_connection("127.0.0.1", to)
        except ConnectionError:
            writer.close()
            return
        await asyncio.gather(pump(reader, ask, seconds), pump(answer, writer, 0.0))

    server = await asyncio.start_server(connect, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        asyncio.run(delay(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
