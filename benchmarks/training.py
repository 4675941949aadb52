"""Training images a second of one core: rendered on the fly, and PNG files read with Pillow as the published loader does.

    python benchmarks/training.py [--sources N] [--images N]

All give the same images of 640x480 in batches; PNG files and the first network with the published transform: short side 288,
crop of 224, tensor, normalised. It is CPU time of one process, so other work on the machine doesn't count. Degradations are
drawn from all 250; some of a source's images are together in a batch, and rendered together.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms

import miqd_builder as mb
from machine_iqa.data.batches import Batches, MakesViews, one_thread, shapes_of
from machine_iqa.data.labelled import LabelledSource
from machine_iqa.data.order import BatchOrder
from machine_iqa.data.pixels import RunPixels
from machine_iqa.networks.base import Output
from machine_iqa.networks.registry import create_network
from miqd_builder.tables.schema import image_path

PHOTOGRAPHS = ("coffee", "astronaut", "chelsea", "rocket")
SIZE = (640, 480)
BATCH = 64
NETWORKS = ("resnet50", "miqa-small")
"""Whose views are made: the published crop, and a whole image with patches."""


def degraded(folder: Path, images: str, count: int) -> str:
    """Degrade photographs in all 250 ways and return the run folder."""
    sources = folder / "photographs"
    sources.mkdir(exist_ok=True)
    for name in PHOTOGRAPHS[:count]:
        Image.fromarray(cv2.resize(getattr(skimage.data, name)(), SIZE)).save(sources / f"{name}.jpg", quality=95)
    source = {"kind": "folder", "images": str(sources)}
    roi = {"kind": "saliency"}
    fields = {"source": source, "roi": roi, "images": images, "scheduler": "inline", "out": str(folder / images)}
    return str(mb.degrade(**fields).outs[0])


def labelled(url: str) -> list[LabelledSource]:
    """Return the run's images, with labels that mean nothing."""
    run = mb.open_run(url)
    names = run.degradations
    targets = np.zeros((len(names), 1), np.float32)
    return [LabelledSource(source_id, RunPixels(url), SIZE[::-1], names, targets) for source_id in run.source_ids]


def published_transform() -> transforms.Compose:
    """Return the transform of the published loader of crops."""
    steps = [
        transforms.Resize(288),
        transforms.RandomCrop(224),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
    return transforms.Compose(steps)


def read_as_published(url: str, sources: Sequence[LabelledSource], order: BatchOrder) -> Iterator[Tensor]:
    """Yield batches of views of PNG files."""
    transform = published_transform()
    for batch in order:
        files = [Path(url) / "images" / image_path(sources[s].source_id, sources[s].names[n]) for s, n in batch]
        yield torch.stack([transform(Image.open(file).convert("RGB")) for file in files])


def rate(batches: Iterator[Tensor], wanted: int) -> float:
    """Return images a second of CPU time, after a batch that warms up."""
    next(batches)
    images, start = 0, time.process_time()
    for batch in batches:
        images += len(batch)
        if images >= wanted:
            break
    return images / (time.process_time() - start)


def rate_of(sources: Sequence[LabelledSource], network: str, together: int, images: int) -> float:
    """Return the rate of images rendered on the fly."""
    views = create_network(network, [Output("cls", "composite")]).views
    batches = Batches(sources, views, seed=0)
    order = order_of(sources, views, together)
    return rate((next(iter(batches[0, batch].views.values())) for batch in order), images)


def order_of(sources: Sequence[LabelledSource], views: MakesViews, together: int) -> BatchOrder:
    """Return the batches of an epoch."""
    shapes = shapes_of(sources, views, training=True)
    return BatchOrder(sources, shapes, batch_size=BATCH, training=True, images_per_source=together)


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=len(PHOTOGRAPHS), help="photographs, at most 4")
    parser.add_argument("--images", type=int, default=512, help="images to measure")
    options = parser.parse_args()
    one_thread(0)
    with tempfile.TemporaryDirectory() as folder:
        kept, rendered = (degraded(Path(folder), images, options.sources) for images in ("png", "none"))
        sources = labelled(rendered)
        views = create_network("resnet50", [Output("cls", "composite")]).views
        theirs = rate(read_as_published(kept, sources, order_of(sources, views, 8)), options.images)
        print("| loader | images of a source together | images a second of one core | ratio |\n|---|---|---|---|")
        print(f"| PNG with Pillow, transforms of torchvision | - | {theirs:.0f} | 1 |")
        for network in NETWORKS:
            for together in (8, 25):
                ours = rate_of(sources, network, together, options.images)
                print(f"| rendered, views of {network} | {together} | {ours:.0f} | {ours / theirs:.1f} |", flush=True)


if __name__ == "__main__":
    main()
