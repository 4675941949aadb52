"""Measure many models, one at a time and each in its own process; an interrupted sweep is resumed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path

from miqd_builder.zoo.adapters.mm_config import DISTRIBUTIONS
from miqd_builder.zoo.backends import BACKENDS
from miqd_builder.zoo.check.measurement import Measurement, measure
from miqd_builder.zoo.check.preload import VARIABLE
from miqd_builder.zoo.entry import ModelEntry

TIMEOUT_S = 1800.0
"""Seconds that a model may take."""

BUILT_FROM = {"task", "backend", "config", "cfg_options", "arch", "arch_kwargs", "target", "preprocess"}
"""Fields of an entry that its measurement depends on."""


def sweep(entries: Iterable[ModelEntry], results: Path, *, again: bool = False) -> Iterator[Measurement]:
    """Measure each model, or take its measurement from the results of an earlier sweep.

    Args:
        entries: which models.
        results: file of one JSON line a measurement; each new one is added to it at once. A measurement counts while the entry
            and the versions of torch and of the back end's package stay as they were, and only if it found no problem.
        again: measure all of them again.
    """
    known = {} if again else _read(results)
    entries = list(entries)
    processes = _fork_server({entry.backend for entry in entries if _key(entry) not in known})
    for entry in entries:
        key = _key(entry)
        if key in known:
            yield _compared(entry, known[key])
            continue
        measurement = _in_own_process(entry, processes)
        results.parent.mkdir(parents=True, exist_ok=True)
        with results.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"key": key, **asdict(measurement)}) + "\n")
        yield _compared(entry, measurement)


def _compared(entry: ModelEntry, measurement: Measurement) -> Measurement:
    """Report a wrong number of parameters in the entry as a problem of the model."""
    found, stated = measurement.params, entry.params
    if measurement.problem is not None or found is None or stated is None or abs(found / stated - 1) < 0.01:
        return measurement
    return replace(measurement, problem=f"has {found:.2f} million parameters, its entry says {stated:g}")


def _read(results: Path) -> dict[str, Measurement]:
    known = {}
    for line in results.read_text(encoding="utf-8").splitlines() if results.is_file() else ():
        with suppress(ValueError, TypeError):  # a line that a crash cut off
            fields = json.loads(line)
            key, measurement = fields.pop("key"), Measurement(**fields)
            if measurement.problem is None:
                known[key] = measurement
    return known


def _key(entry: ModelEntry) -> str:
    package = DISTRIBUTIONS.get(entry.backend, entry.backend)
    versions = []
    for distribution in ("torch", package):
        with suppress(importlib.metadata.PackageNotFoundError):  # such as a python callable's
            versions.append(importlib.metadata.version(distribution))
    facts = [entry.model_dump(mode="json", include=BUILT_FROM), versions]
    return f"{entry.name} {hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]}"


def _fork_server(backends: set[str]) -> ForkServerContext:
    """Return where processes come from that have these back ends imported already."""
    os.environ[VARIABLE] = " ".join(sorted(backends & set(BACKENDS.names())))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["miqd_builder.zoo.check.preload"])
    return context


def _in_own_process(entry: ModelEntry, processes: ForkServerContext) -> Measurement:
    """Measure a model in a new process, so that its memory is given back and its crash costs one model."""
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=_report, args=(entry, sender))
    process.start()
    sender.close()
    problem = f"took more than {TIMEOUT_S:.0f} s"
    try:
        if receiver.poll(TIMEOUT_S):
            measurement: Measurement = receiver.recv()
            return measurement
    except EOFError:
        process.join()
        problem = f"its process died ({process.exitcode}): out of memory?"
    finally:
        process.kill()
        process.join()
        receiver.close()
    return Measurement(entry.name, entry.task, entry.backend, problem)


def _report(entry: ModelEntry, sender: Connection) -> None:
    with suppress(OSError):  # when memory runs out, the kernel should end this process rather than another
        Path("/proc/self/oom_score_adj").write_text("1000")
    try:
        measurement = measure(entry)
    except Exception as error:  # whatever a framework raises is a problem of this model
        problem = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        measurement = Measurement(entry.name, entry.task, entry.backend, problem)
    sender.send(measurement)
