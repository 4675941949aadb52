"""What ``miqd label`` costs beside a bare loop over the same batches with the images already in memory.

    nice python benchmarks/runner.py [--real ../shared/real] [--repeats 3] [--models PATTERN ...] [--tasks cls det ins]
    nice python benchmarks/runner.py --feed [--csv FILE]      # the feed alone

For each task, in one process: all models of the zoo as one pass (what ``label`` does), and each model alone (the worst case,
since no other shares its images). A repetition times the bare loop, ``label`` on stored PNG files and ``label --images none``
one after the other, so that other work on the machine hits them alike; models are built before. ``label`` is the whole command
on existing variants: reading or rendering, inference, writing responses, scores and labels. Ratios are of throughput, bare loop
= 1, medians of the repetitions: by processor time of this process (all threads), and by wall-clock time.

``--feed`` measures eight classifiers that cost nothing on their device: how many inferences a second one worker could give a
GPU, with each model preparing its own images (as before November 2026) and with shared crops, in one run. ``--sharing`` times
the real classifiers of one pass with and without shared crops, by processor time.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError
from miqd_builder.tables.schema import ORIGINAL
from miqd_builder.zoo.adapters.base import Adapter
from miqd_builder.zoo.adapters.shared_crops import SharedCrops
from miqd_builder.zoo.build import build
from pipelines.cli.console import by_step
from pipelines.context import open_zoo
from pipelines.planning import plan_degrade, plan_label
from pipelines.run import run_degrade, run_label
from pipelines.stages.feed import Feed
from result_tables import print_markdown, write_csv
from stand_ins.feed import measure_feed

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "real"
prepare_for = Feed.prepare_for
DEMO = ROOT / "pipelines" / "demo"


@dataclass
class Timing:
    """Seconds of each repetition."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def run(self, function: Callable[[], Any]) -> Any:
        """Call the function and note what it took."""
        cpu, wall = time.process_time(), time.perf_counter()
        result = function()
        self.cpu.append(time.process_time() - cpu)
        self.wall.append(time.perf_counter() - wall)
        return result


def main() -> None:
    """Measure every data set and task and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, default=REAL, help="folder with coco/, imagenet/ and zoo.yaml")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--images", type=int, default=1, help="source images, of 251 pictures each")
    parser.add_argument("--tasks", nargs="*", default=["cls", "det", "ins"])
    parser.add_argument("--models", nargs="*", default=["*"], help="names or patterns")
    parser.add_argument("--engine", default="torch", help="torch or onnxruntime")
    parser.add_argument("--feed", action="store_true", help="the feed alone, to models that cost nothing")
    parser.add_argument("--sharing", action="store_true", help="the classifiers of a pass, with and without shared crops")
    parser.add_argument("--csv", type=Path, help="write the table of --feed or --sharing into this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.feed or arguments.sharing:
        source = data_sets(arguments.real)["real" if arguments.real.is_dir() else "demo"]["cls"]
        with tempfile.TemporaryDirectory() as folder:
            if arguments.feed:
                rows = measure_feed(Path(folder), source["source"], arguments.images, arguments.repeats)
            else:
                rows = sharing(Path(folder), source, arguments)
        print_markdown(rows)
        if arguments.csv:
            write_csv(arguments.csv, rows)
        return
    print(
        f"{'models':34} {'pictures':>8} {'bare ms':>8} {'png cpu':>8} {'none cpu':>8} {'png wall':>9} {'none wall':>9}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in data_sets(arguments.real).items():
            for task in arguments.tasks:
                measure(Path(folder) / f"{name}-{task}", settings[task], task, arguments)


def data_sets(real: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Settings of a run by data set and task; the real one only where it is."""
    demo = {"zoo": [str(ROOT / "model_zoo_configs/demo.yaml")], "roi": {"kind": "masks", "path": str(DEMO / "masks")}}
    scenes = {"kind": "coco", "images": str(DEMO / "images"), "annotations": str(DEMO / "annotations.json")}
    classes = {"kind": "imagenet", "images": str(DEMO / "images"), "labels": str(DEMO / "labels.csv")}
    sets = {"demo": {"cls": {**demo, "source": classes}, "det": {**demo, "source": scenes}, "ins": {**demo, "source": scenes}}}
    if real.is_dir():
        zoo = {"zoo": [str(real / "zoo.yaml")]}
        coco: dict[str, Any] = {
            "source": {
                "kind": "coco",
                "images": str(real / "coco/val2017"),
                "annotations": str(real / "coco/instances_val2017_120.json"),
            },
            "roi": {"kind": "annotations"},
        }
        imagenet = {"kind": "imagenet", "images": str(real / "imagenet/images"), "labels": str(real / "imagenet/labels.csv")}
        sets["real"] = {"cls": {**zoo, "source": imagenet}, "det": {**zoo, **coco}, "ins": {**zoo, **coco}}
    else:
        print(f"Demo only: there are no real photographs in '{real}'.")
    return sets


def measure(folder: Path, settings: dict[str, Any], task: str, arguments: argparse.Namespace) -> None:
    """Measure the models of one task together, and each alone."""
    configs = {
        images: RunConfig(
            out=str(folder / images),
            images=images,
            scheduler="inline",
            device="cpu",
            limit=arguments.images,
            models_per_pass=99,
            **settings,
        )
        for images in ("png", "none")
    }
    for config in configs.values():
        quietly(lambda config=config: run_degrade(plan_degrade(config)))
    try:
        entries = open_zoo(configs["png"]).select(arguments.models, task)
    except ConfigError as error:
        print(f"{task}: {error}")
        return
    names = [entry.name for entry in entries]
    groups = [names] if len(names) == 1 else [names, *([name] for name in names)]
    for group in groups:
        row(group, configs, task, arguments.repeats)


def row(names: Sequence[str], configs: dict[str, RunConfig], task: str, repeats: int) -> None:
    """Time some models in all three ways and print the ratios."""
    chosen = {images: config.model_copy(update={"models": tuple(names)}) for images, config in configs.items()}
    plan = plan_label(chosen["png"], task)
    adapters = [build(entry, category_ids=plan.context.sources.category_ids) for entry in plan.entries]
    batches = [
        [pixels for _, pixels in batch]
        for part in plan.parts
        for source in plan.context.part_sources(plan.context.record.parts[part])
        for batch in plan.context.images(part).batches(source, [ORIGINAL, *plan.context.names])
    ]

    bare_loop(adapters, batches)
    quietly(lambda: run_label([plan]))  # builds the models that the process keeps
    timings = {"bare": Timing(), "png": Timing(), "none": Timing()}
    seconds: dict[str, Any] = {}
    for _ in range(repeats):
        timings["bare"].run(lambda: bare_loop(adapters, batches))
        for images, config in chosen.items():
            for table in ("responses", "scores", "labels"):
                shutil.rmtree(Path(config.out) / table, ignore_errors=True)
            stages = timings[images].run(lambda config=config: quietly(lambda: run_label([plan_label(config, task)])))
            seconds[images] = {stage.stage: stage.seconds | {"wall": stage.wall_s} for stage in stages}
    pictures = sum(map(len, batches)) * len(names)
    cells = [statistics.median(timings["bare"].cpu) / pictures * 1000]
    for clock in ("cpu", "wall"):
        for images in ("png", "none"):
            pairs = zip(getattr(timings["bare"], clock), getattr(timings[images], clock), strict=True)
            cells.append(statistics.median(one / other for one, other in pairs))
    label = names[0] if len(names) == 1 else f"{len(names)} {task} models of one pass"
    print(
        f"{label:34} {pictures:8} {cells[0]:8.2f} {cells[1]:8.3f} {cells[2]:8.3f} {cells[3]:9.3f} {cells[4]:9.3f}", flush=True
    )
    for images in ("png", "none"):
        spent = "; ".join(f"{stage} {by_step(steps)}" for stage, steps in seconds[images].items())
        print(f"    {images}: {spent}", flush=True)


def sharing(folder: Path, settings: dict[str, Any], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Time all classifiers as one pass, as ``label --images none`` runs them, with and without shared crops."""
    config = RunConfig(
        out=str(folder / "run"),
        images="none",
        scheduler="inline",
        device="cpu",
        limit=arguments.images,
        models_per_pass=99,
        degradations=("*_[135]",),
        models=tuple(arguments.models),
        engine=arguments.engine,
        **settings,
    )
    quietly(lambda: run_degrade(plan_degrade(config)))
    timings = {"each model alone": Timing(), "crops shared": Timing()}
    share = SharedCrops.share
    for repeat in range(arguments.repeats + 1):  # the first builds the models
        for way, timing in timings.items():
            shutil.rmtree(folder / "run" / "responses", ignore_errors=True)
            SharedCrops.share = share if way == "crops shared" else lambda self, image: None  # type: ignore[method-assign]
            Feed.prepare_for = prepare_for if way == "crops shared" else lambda self, inputs: None  # type: ignore[method-assign]
            spent = Timing() if repeat == 0 else timing
            stages = spent.run(lambda: quietly(lambda: run_label([plan_label(config, "cls")])))
            computed = next(stage.computed for stage in stages if stage.stage == "respond")
    return [
        {
            "engine": arguments.engine,
            "way": way,
            "inferences": computed,
            "CPU s": min(timing.cpu),
            "times as fast": min(timings["each model alone"].cpu) / min(timing.cpu),
            "median of pairs": statistics.median(
                a / b for a, b in zip(timings["each model alone"].cpu, timing.cpu, strict=True)
            ),
        }
        for way, timing in timings.items()
    ]


def bare_loop(adapters: Sequence[Adapter], batches: Sequence[Sequence[NDArray[np.uint8]]]) -> None:
    """Run every model on every batch, and nothing else."""
    for batch in batches:
        for adapter in adapters:
            adapter.predict(batch)


def quietly(function: Callable[[], Any]) -> Any:
    """Call a function without its progress lines."""
    with contextlib.redirect_stderr(io.StringIO()):
        return function()


if __name__ == "__main__":
    main()
