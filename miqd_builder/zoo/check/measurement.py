"""Build one model with random weights, check it, and measure what it costs on one core."""

from __future__ import annotations

import gc
import re
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import MiqdError
from miqd_builder.responses import Detections
from miqd_builder.zoo.adapters.base import Adapter
from miqd_builder.zoo.adapters.mm_config import DISTRIBUTIONS
from miqd_builder.zoo.build import build
from miqd_builder.zoo.check.contract import contract_problem
from miqd_builder.zoo.entry import ModelEntry

IMAGE_SIZE = (480, 640)
"""Height and width of the image that a model is measured on, a usual one of COCO; its own preprocessing goes from there."""

SHRINK = 4
"""Detectors are checked on inputs that are this much smaller than the ones that they are measured on."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one model costs and whether it keeps the contract.

    Attributes:
        name, task, backend: of the entry.
        problem: what is wrong, None if nothing; the figures are None where it stopped the measurement.
        params: parameters in millions.
        gflops: of one image; a multiply-add counts as two.
        peak_mib: highest resident memory of the process, in MiB, libraries included.
        ms: processor time of one image on one core, preprocessing included.
        found: detections in the image; None for a classifier.
    """

    name: str
    task: str
    backend: str
    problem: str | None = None
    params: float | None = None
    gflops: float | None = None
    peak_mib: int | None = None
    ms: float | None = None
    found: int | None = None


def measure(entry: ModelEntry) -> Measurement:
    """Measure a model at its own input size, then check the contract; meant for a process of its own."""
    import torch

    torch.set_num_threads(1)
    figures: dict[str, Any] = {}
    try:
        adapter = eager(build(entry, random_weights=True))
        figures = _costs(adapter)
        del adapter
        gc.collect()
        problem = contract_problem(eager(build(smaller(entry), random_weights=True)))
    except MiqdError as error:
        problem = str(error)
    return Measurement(entry.name, entry.task, entry.backend, problem, **figures)


def _costs(adapter: Any) -> dict[str, Any]:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    together = getattr(adapter, "cpu_group", 1)  # a pass always holds as many
    adapter.model.requires_grad_(False)  # the counter follows gradients, which some networks' parameters lead astray
    counter = FlopCounterMode(display=False)
    # A fused attention kernel would not be counted.
    with sdpa_kernel(SDPBackend.MATH), counter:
        begin = time.process_time()
        prediction = adapter.predict([_photograph()] * together)[0]
        seconds = time.process_time() - begin
    return {
        "params": round(sum(p.numel() for p in adapter.model.parameters()) / 1e6, 2),
        "gflops": round(counter.get_total_flops() / together / 1e9, 2),
        "peak_mib": peak_memory(),
        "ms": round(seconds / together * 1000, 1),
        "found": len(prediction.scores) if isinstance(prediction, Detections) else None,
    }


def _photograph() -> NDArray[np.uint8]:
    """Coarse random colours, with more low frequencies than plain noise has."""
    height, width = IMAGE_SIZE
    coarse = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    return np.kron(coarse, np.ones((16, 16, 1), np.uint8))


def peak_memory() -> int:
    """Return the highest resident memory of this process so far, in MiB."""
    status = Path("/proc/self/status")
    if status.is_file():  # unlike getrusage's figure this one doesn't begin with the parent's
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert found is not None  # every Linux has it
        return int(found[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20  # bytes on macOS


def smaller(entry: ModelEntry) -> ModelEntry:
    """Return a detector's entry with a quarter of its input size, other entries as they are: the check needs no more."""
    if entry.backend != "mmdet":
        return entry
    from miqd_builder.zoo.adapters.mm_config import read_config

    steps = read_config(entry).test_dataloader.dataset.pipeline
    sizes = {(index, key): step[key] for index, step in enumerate(steps) for key in ("scale", "size") if step.get(key)}
    options = {
        f"test_dataloader.dataset.pipeline.{index}.{key}": tuple(max(32, round(side / SHRINK / 32) * 32) for side in size)
        for (index, key), size in sizes.items()
    }
    return entry.model_copy(update={"cfg_options": {**entry.cfg_options, **options}})


def eager(adapter: Adapter) -> Adapter:
    """Let a detector with random weights find something, so that there is something to check: no threshold on its scores.

    SOLO is left as it is: it makes a mask for everything above the threshold before it chooses among them.
    """
    import torch

    network: Any = getattr(adapter, "model", None)
    if adapter.entry.backend in DISTRIBUTIONS:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network.init_weights()  # some parameters of OpenMMLab's are whatever the memory held until then, even NaN
    for module in network.modules() if isinstance(network, torch.nn.Module) else ():
        thresholds = getattr(module, "test_cfg", None)
        if isinstance(thresholds, dict) and "score_thr" in thresholds and "filter_thr" not in thresholds:
            thresholds["score_thr"] = 0.0
    if adapter.entry.backend == "ultralytics":  # its initial biases say that there is nothing
        for branch in network.model[-1].cv3:
            torch.nn.init.zeros_(branch[-1].bias)
    return adapter
