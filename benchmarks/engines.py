"""CPU time of models with PyTorch and with ONNX Runtime (``engine: onnxruntime``), and how far their predictions are apart.

    python benchmarks/engines.py --zoo FILE [--zoo FILE] --images DIR [--count 24] [NAME ...]
    python benchmarks/engines.py --networks [--csv FILE] [NAME ...]     # the networks of classifiers alone, in every engine

One thread; preprocessing and postprocessing included. Both engines predict the same images; a first call is not counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import miqd_builder as mb
from miqd_builder.errors import MiqdError
from miqd_builder.responses import Classification, Response
from miqd_builder.sources.images import IMAGE_SUFFIXES, decode_image
from miqd_builder.zoo.adapters.base import Adapter
from result_tables import Row, print_markdown, write_csv
from stand_ins.networks import milliseconds, ways

DEMO = ("demo_mobilenetv3", "demo_resnet10t")


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--zoo", type=Path, action="append")
    parser.add_argument("--images", type=Path, default=Path("pipelines/demo/images"))
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument(
        "--networks", action="store_true", help="batches of 4, the network alone, in every engine that is installed"
    )
    parser.add_argument("--csv", type=Path, help="write the table of --networks into this file")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.networks:
        rows = [
            row for name in asked.names or DEMO for row in networks(name, asked.zoo or [Path("model_zoo_configs/demo.yaml")])
        ]
        print_markdown(rows)
        if asked.csv:
            write_csv(asked.csv, rows)
        return
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


def networks(name: str, zoo: Sequence[Path]) -> list[Row]:
    """Time a classifier's network alone, a batch of four, in every engine."""
    adapter: Any = mb.create_model(name, zoo=list(zoo))
    example = torch.rand(4, 3, *adapter.preprocess.crop, generator=torch.Generator().manual_seed(0))
    rows: list[Row] = []
    for way, make in ways(adapter.model, example).items():
        try:
            took, output = milliseconds(make(), example, 20)
        except Exception as error:  # an engine that is missing, or can't run this network
            print(f"{name}, {way}: {type(error).__name__}: {str(error).splitlines()[0][:100]}", flush=True)
            continue
        rows.append({"model": name, "engine": way, "ms an image": took, "output": output})
        print(f"{name}, {way}: {took:.2f} ms", flush=True)
    eager = rows[0]
    return [
        {
            "model": name,
            "engine": row["engine"],
            "ms an image": row["ms an image"],
            "times as fast": eager["ms an image"] / row["ms an image"],
            "greatest difference": f"{np.abs(row['output'] - eager['output']).max():.0e}",
            "same top-1": bool((row["output"].argmax(1) == eager["output"].argmax(1)).all()),
        }
        for row in rows
    ]


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
