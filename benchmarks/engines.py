"""CPU time of models with PyTorch and with ONNX Runtime (``engine: onnxruntime``), and how far their predictions are apart.

    python benchmarks/engines.py --zoo FILE [--zoo FILE] --images DIR [--count 24] [NAME ...]

One thread; preprocessing and postprocessing included. Both engines predict the same images; a first call is not counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import miqd_builder as mb
from miqd_builder.errors import MiqdError
from miqd_builder.responses import Classification, Response
from miqd_builder.sources.images import IMAGE_SUFFIXES, decode_image
from miqd_builder.zoo.adapters.base import Adapter


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--zoo", type=Path, action="append")
    parser.add_argument("--images", type=Path, default=Path("pipelines/demo/images"))
    parser.add_argument("--count", type=int, default=24)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    files = [file for file in sorted(asked.images.iterdir()) if file.suffix.lower() in IMAGE_SUFFIXES][: asked.count]
    images = [decode_image(file.read_bytes(), file.name) for file in files]
    zoo = asked.zoo or [Path("model_zoo_configs/demo.yaml")]
    print("| model | torch, ms | onnxruntime, ms | ratio | greatest difference |\n|---|---:|---:|---:|---|")
    for name in asked.names or mb.list_models(zoo=zoo):
        try:
            models = [mb.create_model(name, zoo=zoo, engine=engine) for engine in ("torch", "onnxruntime")]
            (theirs, slow), (ours, fast) = (timed(model, images) for model in models)
        except MiqdError as error:
            print(f"| {name} | {error} | | | |")
            continue
        print(f"| {name} | {slow:.1f} | {fast:.1f} | {slow / fast:.1f} | {difference(ours, theirs)} |", flush=True)


def timed(model: Adapter, images: Sequence[NDArray[np.uint8]]) -> tuple[list[Response], float]:
    """Predictions, and milliseconds of CPU time an image."""
    model.predict(images)
    start = time.process_time()
    found = model.predict(images)
    return found, (time.process_time() - start) / len(images) * 1e3


def difference(ours: Sequence[Response], theirs: Sequence[Response]) -> str:
    """Of probabilities, or of boxes in pixels and the number of detections."""
    pairs = list(zip(ours, theirs, strict=True))
    if isinstance(ours[0], Classification):
        return f"{max(float(np.abs(a.probabilities - b.probabilities).max()) for a, b in pairs):.0e}"  # type: ignore[union-attr]
    same = [(a, b) for a, b in pairs if len(a.scores) == len(b.scores)]  # type: ignore[union-attr]
    gaps = [float(np.abs(a.boxes - b.boxes).max(initial=0)) for a, b in same]  # type: ignore[union-attr]
    return f"{max(gaps, default=0):.0e} px, {len(same)} of {len(pairs)} images with as many detections"


if __name__ == "__main__":
    main()
