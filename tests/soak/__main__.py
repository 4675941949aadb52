"""Label under load for a while, sampling memory and file handles of every process: ``python -m tests.soak 60``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from tests.chaos import processes
from tests.conftest import ROOT
from tests.soak.sampling import Sample, growth, sample

COPIES = 500
"""Of each of the demo's eight scenes: rendering takes a part of an hour, showing them to models more than the rest of it."""
SECONDS_BETWEEN = 5.0
_AS_DOCUMENTED = processes.Before(dask={"distributed.worker.profile.enabled": False})
"""Workers as docs/cluster.md starts them."""


def main() -> int:
    """Run, sample, and print a table; returns 1 if the run ended by itself with an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=60.0)
    parser.add_argument("--log", type=Path, help="file for the samples, a JSON object a line")
    parser.add_argument("--warm-up", type=float, default=0.2, help="share of each stage's time that doesn't count")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="miqd-soak-"))
    try:
        samples, code = _run(folder, 60 * options.minutes, options.log)
        _show(samples, options.warm_up)
        rows = _rows(folder / "out")
        print(f"{rows} responses, exit code {code} after Ctrl-C (130 is right)")
        if code != 130:
            print((folder / "client.txt").read_text()[-2000:])
        return int(code != 130)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, seconds: float, log: Path | None) -> tuple[list[Sample], int]:
    """Start scheduler, workers and client; sample them until the time is over, then end the client as Ctrl-C does."""
    images = folder / "images"
    images.mkdir()
    for scene in sorted((ROOT / "pipelines/demo/images").glob("*.png")):
        for number in range(COPIES):
            shutil.copy(scene, images / f"{scene.stem}_{number:04}.png")
    command = ["label", "--task", "det", "--out", folder / "out", "--images", "none"]
    for setting in (
        "source.kind=folder",
        f"source.images={images}",
        "roi.kind=saliency",
        f"zoo=['{ROOT / 'model_zoo_configs/demo.yaml'}']",
        "models=['demo_rtmdet','demo_yolox']",
        "degradations=['*_1','*_3','*_5']",
        "sources_per_part=1",
    ):
        command += ["--set", setting]
    address, samples = folder / "address", list[Sample]()
    with ExitStack() as stack:
        scheduler = stack.enter_context(processes.scheduler(address))
        place = address.read_text()
        workers = [stack.enter_context(processes.worker(place, _AS_DOCUMENTED)) for _ in range(2)]
        client = stack.enter_context(processes.miqd(folder / "client.txt", *command, "--scheduler", place))
        roles = {"client": client, "scheduler": scheduler, "worker 1": workers[0], "worker 2": workers[1]}
        pids = {role: process.pid or 0 for role, process in roles.items()}
        start = time.monotonic()
        while client.is_alive() and time.monotonic() - start < seconds:
            samples += (found := sample(pids, start, _stage(folder / "out/progress/label-det.json")))
            _write(log, found)
            time.sleep(SECONDS_BETWEEN)
        if client.is_alive():
            os.kill(pids["client"], signal.SIGINT)
        client.join(60)
        return samples, int(client.exitcode if client.exitcode is not None else -1)


def _stage(progress: Path) -> str:
    """The stage that the run says it is at."""
    try:
        return str(json.loads(progress.read_text())["stage"]) or "start"
    except (OSError, ValueError):
        return "start"


def _write(log: Path | None, samples: Sequence[Sample]) -> None:
    if log is not None:
        with log.open("a") as file:
            file.writelines(json.dumps(asdict(one)) + "\n" for one in samples)


def _show(samples: Sequence[Sample], warm_up: float) -> None:
    for stage, role in dict.fromkeys((one.stage, one.role) for one in samples):
        own = [one for one in samples if (one.stage, one.role) == (stage, role)]
        times = [one.seconds - own[0].seconds for one in own]
        for what, unit, values in (
            ("memory", "MB", [one.resident / 2**20 for one in own]),
            ("handles", "", [float(one.handles) for one in own]),
        ):
            found = growth(times, values, warm_up=warm_up * times[-1])
            if found is None:
                print(f"{stage}, {role}: {what}: too short for a slope")
                continue
            print(
                f"{stage}, {role}: {what} {found.mean:.1f} {unit}, {min(values):.0f} to {max(values):.0f}; "
                f"slope {found.slope:+.2f} {unit}/h, 95 % interval {found.low:+.2f} to {found.high:+.2f}, {found.n} minutes"
            )


def _rows(out: Path) -> int:
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(part).num_rows for part in out.glob("responses/*/*/*.parquet"))


if __name__ == "__main__":
    sys.exit(main())
