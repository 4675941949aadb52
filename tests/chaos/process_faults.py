"""Processes that are killed, stand still, start late, lack memory, or whose clock jumps."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.process import BaseProcess

from tests.chaos import processes
from tests.chaos.case import COMMAND_SECONDS, BrokenPromiseError, check_kept, finished, run_command, wait_until
from tests.chaos.processes import Before
from tests.chaos.rounds import Round, must_fail
from tests.pipelines.children import is_alive

STOPPED_SECONDS = float(os.environ.get("MIQD_CHAOS_STOPPED_SECONDS", "2"))
"""How long a process stands still; ``make chaos`` gives 30."""


def kill_client(one: Round) -> None:
    """Kill the command one to three times, each time somewhere else."""
    for _ in range(one.rng.randint(1, 3)):
        early, some = finished(one.out), one.moment()
        with processes.miqd(one.fresh_log(), *one.command()) as client:
            wait_until(lambda: len(finished(one.out)) >= some, client)  # noqa: B023
            time.sleep(one.rng.uniform(0, 0.05))
            client.kill()
            client.join()
        one.note(f"client killed at {len(finished(one.out))} parts", in_flight=1)
        check_kept(one.out, early)


def kill_client_of_a_cluster(one: Round) -> None:
    """Kill the command that has workers of its own; they end."""
    before = len(one.case.shown())
    with processes.miqd(one.fresh_log(), *one.command("--scheduler", "dask", "--workers", 2)) as client:
        if wait_until(lambda: len(one.case.shown()) > before, client, COMMAND_SECONDS):
            time.sleep(one.rng.uniform(0, 0.3))
        os.kill(client.pid, signal.SIGKILL)
        client.join()
        workers = {pid for pid, _ in one.case.shown()[before:]}
        deadline = time.monotonic() + 60
        while any(map(is_alive, workers)):
            if time.monotonic() > deadline:
                raise BrokenPromiseError("workers outlive their client")
            time.sleep(0.05)
    one.note("client of a local cluster killed", in_flight=2)


@contextmanager
def cluster(one: Round, workers: int = 2, host: str = "127.0.0.1") -> Iterator[tuple[str, BaseProcess]]:
    """A scheduler and workers of their own; yields the scheduler's address and process."""
    address = one.folder / f"address-{time.monotonic_ns()}"
    with processes.scheduler(address, host) as scheduler:
        place = address.read_text()
        if workers == 0:
            yield place, scheduler
            return
        with processes.worker(place), processes.worker(place):
            yield place, scheduler


def _end(one: Round, client: BaseProcess, allowed: tuple[int, ...] = (0,)) -> int:
    """Wait for a command that should get along."""
    client.join(COMMAND_SECONDS)
    if client.is_alive():
        raise BrokenPromiseError(f"no end within {COMMAND_SECONDS:g} s: {one.log.read_text()[-300:]}")
    if client.exitcode not in allowed:
        raise BrokenPromiseError(f"exit code {client.exitcode}, expected {allowed}: {one.log.read_text()[-300:]}")
    return int(client.exitcode or 0)


def kill_worker(one: Round) -> None:
    """Kill a worker while it works; another joins, and the run goes on to its end."""
    before = len(one.case.shown())
    with cluster(one) as (address, _), processes.miqd(one.fresh_log(), *one.command("--scheduler", address)) as client:
        for _ in range(one.rng.randint(1, 2)):
            if not wait_until(lambda: len(one.case.shown()) > before, client):  # noqa: B023
                break
            time.sleep(one.rng.uniform(0, 0.3))
            alive = [pid for pid, _ in reversed(one.case.shown()[before:]) if is_alive(pid)]
            before = len(one.case.shown())
            if not alive:
                break
            os.kill(alive[0], signal.SIGKILL)
            one.note("worker killed", in_flight=2)
            with processes.worker(address):
                wait_until(lambda: len(one.case.shown()) > before, client, 20)  # noqa: B023
                if one.rng.random() < 0.7:
                    _end(one, client)
        with processes.worker(address):
            _end(one, client)


def kill_nanny(one: Round) -> None:
    """Kill a nanny, which leaves its worker behind or takes it along; the other worker is enough."""
    before = len(one.case.shown())
    with ExitStack() as stack:
        address, _ = stack.enter_context(cluster(one, workers=0))
        stack.enter_context(processes.worker(address))
        nanny = stack.enter_context(processes.nanny(address))
        client = stack.enter_context(processes.miqd(one.fresh_log(), *one.command("--scheduler", address)))
        wait_until(lambda: len(one.case.shown()) > before, client, COMMAND_SECONDS)
        time.sleep(one.rng.uniform(0, 0.5))
        os.kill(nanny.pid, signal.SIGKILL)
        one.note("nanny killed", in_flight=2)
        _end(one, client)


def kill_scheduler(one: Round) -> None:
    """Kill the scheduler: the command ends with one line."""
    before = len(one.case.shown())
    with cluster(one) as (address, scheduler), processes.miqd(one.fresh_log(), *one.command("--scheduler", address)) as client:
        reached = wait_until(lambda: len(one.case.shown()) > before, client, COMMAND_SECONDS)
        time.sleep(one.rng.uniform(0, 0.2))
        os.kill(scheduler.pid, signal.SIGKILL)
        one.note("scheduler killed", in_flight=4)
        if _end(one, client, (0, 1)) == 1 and reached:
            must_fail(one, 1)


def stop_worker(one: Round) -> None:
    """A worker stands still for a while, and goes on."""
    before = len(one.case.shown())
    with cluster(one) as (address, _), processes.miqd(one.fresh_log(), *one.command("--scheduler", address)) as client:
        if wait_until(lambda: len(one.case.shown()) > before, client, COMMAND_SECONDS):
            pid = one.case.shown()[-1][0]
            if not is_alive(pid):
                raise BrokenPromiseError("a worker ended by itself")
            os.kill(pid, signal.SIGSTOP)
            time.sleep(STOPPED_SECONDS)
            os.kill(pid, signal.SIGCONT)
            one.note(f"worker stopped for {STOPPED_SECONDS:g} s", in_flight=2)
        _end(one, client)


def stop_client(one: Round) -> None:
    """The command stands still for a while, and goes on; nobody takes its folder over."""
    some = one.moment()
    with processes.miqd(one.fresh_log(), *one.command()) as client:
        wait_until(lambda: len(finished(one.out)) >= some, client)
        if client.is_alive():
            os.kill(client.pid, signal.SIGSTOP)
            second = one.folder / "second.txt"
            code = run_command(second, one.command())
            time.sleep(STOPPED_SECONDS)
            os.kill(client.pid, signal.SIGCONT)
            one.note(f"client stopped; a second one exits with {code}", in_flight=1)
            if (one.out / "run.lock").exists() and (code != 1 or "is held by" not in second.read_text()):
                raise BrokenPromiseError(f"a second run started: {second.read_text()[-200:]}")
        _end(one, client)


def start_late(one: Round) -> None:
    """Workers come when the run has waited for them for a while."""
    late = one.rng.uniform(1, 5)
    with ExitStack() as stack:
        address, _ = stack.enter_context(cluster(one, workers=0))
        client = stack.enter_context(processes.miqd(one.fresh_log(), *one.command("--scheduler", address)))
        for times in (1, 2):
            stack.enter_context(processes.worker(address, Before(delay=times * late)))
        one.note(f"workers {late:.1f} and {2 * late:.1f} s late")
        _end(one, client)


def jump_clock(one: Round) -> None:
    """The clock of the command jumps by up to a day; then it is killed, and the clock of the next one is right."""
    clock = Before(clock=one.seed)
    code = run_command(one.fresh_log(), one.command(), clock)
    one.note(f"clock jumps, exit code {code}")
    if code != 0:
        raise BrokenPromiseError(f"a jumping clock ends the run with {code}: {one.log.read_text()[-300:]}")


def jump_clock_and_die(one: Round) -> None:
    """The clock of a command jumps, and it is killed: the lock that it left is recognised whatever its times are."""
    some = one.moment()
    with processes.miqd(one.fresh_log(), *one.command(), before=Before(clock=one.seed)) as client:
        wait_until(lambda: len(finished(one.out)) >= some, client)
        client.kill()
        client.join()
    one.note("clock jumps, then killed", in_flight=1)


def run_out_of_memory(one: Round) -> None:
    """The process gets little memory: what it can't do is in the quarantine, or it ends with a line, maybe of the C library."""
    megabytes = one.rng.choice((2, 8, 20, 40, 80))
    code = run_command(one.fresh_log(), one.command(), Before(memory=megabytes * 2**20))
    quarantined = len(list((one.out / "quarantine").glob("*.parquet")))
    one.note(f"{megabytes} MB more memory, exit code {code}, {quarantined} parts not whole", in_flight=3 + quarantined)
    by_c_library = code == 127 and one.log.read_text().endswith("cannot allocate memory for thread-local data: ABORT\n")
    if code not in (0, 1, 2) and code > 0 and not by_c_library:
        raise BrokenPromiseError(f"exit code {code}: {one.log.read_text()[-300:]}")
