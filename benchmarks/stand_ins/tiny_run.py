"""A run of tiny images and models that answer at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from miqd_builder.config import RunConfig, SourceConfig
from stand_ins.instant_models import CLASSES

SIZE = 16


def tiny_run(folder: Path, *, sources: int, models: int, **fields: Any) -> RunConfig:
    """Write images of 16x16 pixels, their labels and a zoo of classifiers, and return the run.

    Args:
        folder: where they go, and the run folder ``run``; images that are there stay.
        sources: number of images.
        models: number of classifiers.
        fields: further fields of the run file.
    """
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = ["file,label"]
    for number in range(sources):
        name = f"image_{number:05}.png"
        pixels = np.kron(rng.integers(0, 256, (SIZE // 4, SIZE // 4, 3), np.uint8), np.ones((4, 4, 1), np.uint8))
        if not (images / name).is_file():
            Image.fromarray(pixels).save(images / name)
        rows.append(f"{name},{number % CLASSES}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    (folder / "zoo.yaml").write_text(yaml.safe_dump({"models": [_entry(number) for number in range(models)]}))
    return RunConfig(
        out=str(folder / "run"),
        source=SourceConfig(kind="imagenet", images=images, labels=folder / "labels.csv"),
        images="none",
        zoo=(folder / "zoo.yaml",),
        device="cpu",
        **fields,
    )


def _entry(number: int) -> dict[str, Any]:
    return {
        "name": f"instant_{number:02}",
        "task": "cls",
        "backend": "python",
        "target": "stand_ins.instant_models:make",
        "arch_kwargs": {"number": number},
        "metric": {"name": "top1", "value": 50.0, "source": "made up"},
    }
