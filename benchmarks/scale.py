"""The whole database with models that cost nothing: what the runner, the scheduler and the store take themselves.

    nice python benchmarks/scale.py [--sources 5000] [--models 40] [--workers 2] [--folder DIR] [--parts 2000]

Two measurements. First the scheduler alone: one task that does nothing for every part and pass of models (2,000 parts, 75
models) through ``Scheduler.map`` on a local cluster. Then a run: 5,000 images of 16x16 pixels x 250 degradations, rendered in
memory, 40 classifiers that take no time, so 50.2 million responses and scores and 1.25 million labels that are really
written; and the same command again, which has nothing to do. Memory is the highest resident memory, sampled twice a second:
of this process (client and scheduler) and of the largest worker. Last, ``miqd audit`` on that run, in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from miqd_builder.config import RunConfig
from pipelines.planning import plan_label
from pipelines.run import run_label
from pipelines.schedulers import Report, WorkItem, open_scheduler
from stand_ins.tiny_run import tiny_run

PARTS, MODELS, PER_PASS = 2000, 75, 8
MIB = 2**20


@dataclass(frozen=True)
class Nothing:
    """An item about as large as a real one.

    Attributes:
        part: number of the part.
        models: of the pass.
    """

    part: int
    models: tuple[str, ...]

    def split(self) -> Sequence[WorkItem]:
        """It can't be split."""
        return (self,)


def nothing(item: Nothing, report: Report) -> int:
    """A task that does nothing."""
    report(1)
    return 0


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=PARTS, help="of the scheduler alone")
    parser.add_argument("--sources", type=int, default=5000)
    parser.add_argument("--models", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap draws of the audit")
    parser.add_argument("--folder", type=Path, help="keep the run folder here; a run that is there goes on")
    arguments = parser.parse_args()
    measure_scheduler(arguments.parts, arguments.workers)
    if arguments.folder is not None:
        measure_run(arguments.folder, arguments)
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure_run(Path(folder), arguments)


def measure_scheduler(parts: int, workers: int) -> None:
    """Time the scheduler with tasks that do nothing."""
    passes = -(-MODELS // PER_PASS)
    names = [f"model_{number:02}" for number in range(MODELS)]
    tasks = [Nothing(part, tuple(names[i * PER_PASS : (i + 1) * PER_PASS])) for i in range(passes) for part in range(parts)]
    with open_scheduler("dask", workers=workers, device="cpu") as scheduler, watched() as peak:
        before = psutil.Process().memory_info().rss
        start = time.perf_counter()
        done = sum(1 for _ in scheduler.map(nothing, tasks, on_progress=lambda _: None, on_failure=fail))
        seconds = time.perf_counter() - start
    print(
        f"scheduler: {done} tasks ({parts} parts, {MODELS} models, {PER_PASS} a pass) in {seconds:.1f} s, "
        f"{seconds / done * 1e3:.2f} ms a task; client and scheduler grew by {(peak['this'] - before) / MIB:.0f} MiB",
        flush=True,
    )


def fail(item: WorkItem, error: Exception) -> None:
    """Nothing may fail here."""
    raise error


def measure_run(folder: Path, arguments: argparse.Namespace) -> None:
    """Time a run, and the same run again."""
    fields: dict[str, Any] = {"models_per_pass": arguments.models, "scheduler": "dask", "workers": arguments.workers}
    config = tiny_run(folder, sources=arguments.sources, models=arguments.models, **fields)
    with watched() as peak:
        wall, stages = timed(config)
    for stage in stages:
        rate = stage.computed / stage.wall_s if stage.wall_s else 0
        print(f"{stage.stage}: {stage.computed:,} rows in {stage.wall_s:.1f} s, {rate:,.0f}/s", flush=True)
        steps: dict[str, float] = {}
        for step, spent in stage.seconds.items():
            name = step.split(":")[0]
            steps[name] = steps.get(name, 0) + spent
        if steps:
            print("    " + ", ".join(f"{step} {spent:.0f} s" for step, spent in sorted(steps.items())), flush=True)
    print(
        f"run: {arguments.sources * 250:,} variants x {arguments.models} models in {wall:.0f} s; client and scheduler "
        f"{peak['this'] / MIB:.0f} MiB, largest worker {peak['worker'] / MIB:.0f} MiB",
        flush=True,
    )
    out = Path(config.out)
    for table in ("candidates", "variants", "responses", "scores", "labels"):
        files = [path for path in (out / table).rglob("*") if path.is_file()]
        print(f"{table}: {len(files)} files, {sum(path.stat().st_size for path in files) / MIB:.1f} MiB", flush=True)
    again, stages = timed(config)
    assert not any(stage.computed for stage in stages), "the second run computed something"
    print(f"the same command again: {again:.1f} s", flush=True)
    measure_audit(out, arguments.resamples)


def measure_audit(out: Path, resamples: int) -> None:
    """Time ``miqd audit`` in a process of its own, start and imports included, and note the highest memory of that process."""
    command = [sys.executable, "-m", "pipelines.cli.main", "audit", "--out", str(out), "--resamples", str(resamples)]
    command += ["--baseline", "instant_00"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    assert status == 0, "the audit failed"
    size = (out / "report/audit.json").stat().st_size
    print(
        f"audit: {seconds:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of processor time, {used.ru_maxrss / 1024:.0f} MiB, "
        f"audit.json {size / MIB:.1f} MiB",
        flush=True,
    )


def timed(config: RunConfig) -> tuple[float, list[Any]]:
    """Run ``label`` and return its seconds, planning included, and stages."""
    start = time.perf_counter()
    stages = run_label([plan_label(config, "cls")])
    return time.perf_counter() - start, stages


@contextmanager
def watched() -> Iterator[dict[str, int]]:
    """Note the highest resident memory of this process and of its largest child."""
    peak = {"this": 0, "worker": 0}
    stop = threading.Event()

    def sample() -> None:
        this = psutil.Process()
        while not stop.wait(0.5):
            peak["this"] = max(peak["this"], this.memory_info().rss)
            for child in this.children(recursive=True):
                try:
                    peak["worker"] = max(peak["worker"], child.memory_info().rss)
                except psutil.Error:
                    continue

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


if __name__ == "__main__":
    main()
