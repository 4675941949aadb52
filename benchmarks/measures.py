"""Milliseconds an image of 640x480 on one core for every measure, as a Markdown table (CPU time).

    python benchmarks/measures.py [NAME ...]

LPIPS and DISTS run with random weights where the real ones are missing: they cost the same.
"""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np
import skimage.data
import torch

from miqd_builder.errors import ConfigError
from miqd_builder.measures import Core, find_measure, list_measures
from miqd_builder.measures.features import BACKBONES, empty_features
from miqd_builder.measures.weights import verified_weights

IMAGES = 4
"""Degraded images of one source in a batch: features of the reference are shared, as in a run."""


def core_of(name: str) -> tuple[Core, str]:
    """Return a measure and a word on its weights."""
    measure = find_measure(name)
    try:
        files = {weight: verified_weights(weight) for weight in measure.weights}
        return measure.build("cpu", files), "real" if files else "none"
    except ConfigError:
        return random_core(name), "random"


def random_core(name: str) -> Core:
    """Return LPIPS or DISTS with weights that mean nothing and cost the same."""
    from miqd_builder.measures.dists import CHANNELS, dists_core
    from miqd_builder.measures.lpips import lpips_core

    if name == "dists":
        ones = torch.ones(1, sum(CHANNELS), 1, 1)
        return dists_core(empty_features("vgg16"), ones, ones, "cpu")
    backbones = {"lpips_alex": "alexnet", "lpips_vgg": "vgg16", "lpips_squeeze": "squeezenet"}
    if name not in backbones:
        raise ConfigError("no weights")
    heads = [torch.ones(1, channels, 1, 1) for channels in BACKBONES[backbones[name]].channels]
    return lpips_core(empty_features(backbones[name]), heads, "cpu")


def milliseconds(core: Core, images: np.ndarray, reference: np.ndarray) -> float:
    """Return the best of three passes, CPU time an image: other work on the machine doesn't count."""
    core(images[:1], reference)
    passes = []
    for _ in range(3):
        start = time.process_time()
        core(images, reference)
        passes.append((time.process_time() - start) / len(images) * 1000)
    return min(passes)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", metavar="NAME", help="default: all")
    chosen = parser.parse_args().measures
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    reference = np.ascontiguousarray(cv2.resize(skimage.data.coffee(), (640, 480)))
    images = np.stack([cv2.GaussianBlur(reference, (0, 0), 1 + k) for k in range(IMAGES)])
    print("| measure | ms an image | weights |\n|---|---|---|")
    for name in chosen or list_measures():
        try:
            core, weights = core_of(name)
            cost = f"{milliseconds(core, images, reference[None]):.0f}"
        except ConfigError:
            cost, weights = "not run", "missing"
        print(f"| {name} | {cost} | {weights} |", flush=True)


if __name__ == "__main__":
    main()
