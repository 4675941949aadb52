"""The feed alone: how many inferences a second a worker could give to models that cost nothing on their device."""

from __future__ import annotations

import contextlib
import io
import shutil
import time
from pathlib import Path
from typing import Any

import yaml

from miqd_builder.config import RunConfig
from pipelines.planning import plan_degrade, plan_label
from pipelines.run import run_degrade, run_label

MODELS = 8
WAYS = {
    "each model alone": (True, 1),
    "crops shared": (False, 1),
    "crops shared, 2 threads": (False, 2),
    "crops shared, 3 threads": (False, 3),
}
"""Whether each model prepares its own images, and threads that make them beside the one that predicts."""


def measure_feed(folder: Path, source: dict[str, Any], images: int, repeats: int) -> list[dict[str, Any]]:
    """Return inferences a second of stage respond: rendering or decoding, resizing, normalising, responses written.

    Args:
        folder: to write the runs into.
        source: of the run file.
        images: number of photographs, of 251 pictures each.
        repeats: of which the best counts; the ways take turns.
    """
    rows = []
    for stored in ("none", "png"):
        config = RunConfig(
            out=str(folder / stored),
            images=stored,
            scheduler="inline",
            device="cpu",
            limit=images,
            source=source,
            roi={"kind": "saliency"},
        )
        quietly(lambda config=config: run_degrade(plan_degrade(config)))
        wall, cpu = dict.fromkeys(WAYS, 0.0), dict.fromkeys(WAYS, 0.0)
        for _ in range(repeats):
            for way, (alone, threads) in WAYS.items():
                by_wall, by_cpu = rates(config, folder, alone=alone, threads=threads)
                wall[way], cpu[way] = max(wall[way], by_wall), max(cpu[way], by_cpu)
        base = next(iter(WAYS))
        rows += [
            {
                "images": stored,
                "way": way,
                "inferences/s": wall[way],
                "times as many": wall[way] / wall[base],
                "inferences per CPU second": cpu[way],
                "times as many per CPU second": cpu[way] / cpu[base],
            }
            for way in WAYS
        ]
    return rows


def rates(config: RunConfig, folder: Path, *, alone: bool, threads: int) -> tuple[float, float]:
    """Inferences a second of one run over existing variants: by wall-clock, stage respond; by CPU time, the whole command."""
    zoo = folder / f"{alone}.yaml"
    zoo.write_text(yaml.safe_dump({"models": [entry(number, alone) for number in range(MODELS)]}))
    chosen = config.model_copy(update={"zoo": (zoo,), "feed_threads": threads, "models_per_pass": MODELS})
    for table in ("responses", "scores", "labels"):
        shutil.rmtree(Path(config.out) / table, ignore_errors=True)
    start = time.process_time()
    stages = quietly(lambda: run_label([plan_label(chosen, "cls")]))
    spent = time.process_time() - start
    respond = next(stage for stage in stages if stage.stage == "respond")
    return float(respond.computed / respond.wall_s), float(respond.computed / spent)


def entry(number: int, alone: bool) -> dict[str, Any]:
    """A zoo entry."""
    return {
        "name": f"fed_{number}",
        "task": "cls",
        "backend": "python",
        "target": "stand_ins.instant_models:make_fed",
        "arch_kwargs": {"number": number, "alone": alone},
        "metric": {"name": "top1", "value": 50.0, "source": "made up"},
    }


def quietly(function: Any) -> Any:
    """Call a function without its progress lines."""
    with contextlib.redirect_stderr(io.StringIO()):
        return function()
