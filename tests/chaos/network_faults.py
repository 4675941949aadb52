"""A cluster on two hosts: network namespaces with addresses of their own, whose link is cut, or through which all is late."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from multiprocessing.process import BaseProcess

from tests.chaos import processes
from tests.chaos.case import COMMAND_SECONDS, BrokenPromiseError, wait_until
from tests.chaos.processes import Before
from tests.chaos.rounds import Round
from tests.pipelines.children import child, wait_for

HERE, THERE = "10.213.77.1", "10.213.77.2"
"""Addresses of the two ends of the link; both are inside of the namespaces, and nothing else is reached from there."""


@cache
def no_namespaces() -> str | None:
    """Say why there can be no network namespaces here; None where there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces take root on Linux"
    try:
        with two_hosts():
            return None
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no network namespaces: {error}"


@contextmanager
def two_hosts() -> Iterator[tuple[str, str]]:
    """Two namespaces that are linked with one another and with nothing else; yields their names."""
    one, other = (f"miqd-chaos-{os.getpid()}-{end}" for end in "ab")
    try:
        for name in (one, other):
            _ip("netns", "add", name)
        _ip("link", "add", "chaos0", "netns", one, "type", "veth", "peer", "name", "chaos0", "netns", other)
        for name, address in ((one, HERE), (other, THERE)):
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", "chaos0")
            _ip("-n", name, "link", "set", "chaos0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
        yield one, other
    finally:
        for name in (one, other):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@contextmanager
def _cluster(one: Round, here: str, there: str, delay: float | None = None) -> Iterator[BaseProcess]:
    """Scheduler, a worker and the command on one host, another worker on the other; yields the command's process."""
    address = one.folder / f"address-{time.monotonic_ns()}"
    local, remote = Before(namespace=here), Before(namespace=there)
    with ExitStack() as stack:
        stack.enter_context(processes.scheduler(address, HERE, before=local))
        place = address.read_text()
        stack.enter_context(processes.worker(place, local))
        stack.enter_context(processes.worker(stack.enter_context(_late(one, place, delay, here)), remote))
        yield stack.enter_context(processes.miqd(one.fresh_log(), *one.command("--scheduler", place), before=local))


def cut_network(one: Round) -> None:
    """The link is cut while both workers work, and there again after a while; the run gets along."""
    with two_hosts() as (here, there), _cluster(one, here, there) as client:
        before = len(one.case.shown())
        if wait_until(lambda: len({pid for pid, _ in one.case.shown()[before:]}) == 2, client, COMMAND_SECONDS):
            away = one.rng.choice((0.5, 3.0, 8.0))
            _ip("-n", here, "link", "set", "chaos0", "down")
            time.sleep(away)
            _ip("-n", here, "link", "set", "chaos0", "up")
            one.note(f"link cut for {away:g} s", in_flight=2)
        _end(one, client)


def delay_network(one: Round) -> None:
    """All that one worker and the scheduler say to one another is late."""
    seconds = one.rng.choice((0.05, 0.2, 0.5))
    with two_hosts() as (here, there), _cluster(one, here, there, seconds) as client:
        one.note(f"messages {seconds:g} s late", in_flight=2)
        _end(one, client)


def _end(one: Round, client: BaseProcess) -> None:
    client.join(COMMAND_SECONDS)
    if client.is_alive() or client.exitcode != 0:
        code = "no end" if client.is_alive() else f"exit code {client.exitcode}"
        raise BrokenPromiseError(f"{code}: {one.log.read_text()[-300:]}")


@contextmanager
def _late(one: Round, place: str, delay: float | None, namespace: str) -> Iterator[str]:
    """Address through which the scheduler is reached late; its own without a delay."""
    if delay is None:
        yield place
        return
    ready = one.folder / f"late-{time.monotonic_ns()}"
    with child(_serve_late, str(ready), place, delay, namespace):
        yield wait_for(lambda: ready.exists() and ready.read_text(), "the proxy never started")


def _serve_late(ready: str, place: str, delay: float, namespace: str) -> None:
    from pathlib import Path

    processes.enter_namespace(namespace)
    host, port = place.removeprefix("tcp://").split(":")

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(2**16):
                await asyncio.sleep(delay)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer))

    async def serve() -> None:
        server = await asyncio.start_server(connect, HERE, 0)
        Path(ready).write_text(f"tcp://{HERE}:{server.sockets[0].getsockname()[1]}")
        await server.serve_forever()

    asyncio.run(serve())


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
