"""Run folders of the demo's scenes with labels, and a network that is trained on them in a second."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import miqd_builder as mb
from machine_iqa.data.batches import Batch
from machine_iqa.networks.base import Output, Prediction, QualityNetwork, Views
from machine_iqa.networks.registry import NETWORKS
from machine_iqa.training.config import load_config
from machine_iqa.training.module import QualityModule
from machine_iqa.training.run import plan_training, run_training
from tests.conftest import ROOT

DEGRADATIONS = ["darkness_?", "gaussian_noise_[135]", "pixelate_bg_stronger_fg1_bg5", "pixelate_fg_stronger_fg5_bg1"]
SIZE = 32
CLS, DET = "out-cls", "out-det"


def label_demo(folder: Path) -> Path:
    """Label the scenes: ``out-det`` keeps its images, ``out-cls`` doesn't."""
    common = {"run": ROOT / "pipelines/demo.yaml", "degradations": DEGRADATIONS, "scheduler": "inline"}
    mb.label(task="det", out=folder / DET, models="demo_yolox", images="png", **common)
    mb.label(task="cls", out=folder / CLS, images="none", **common)
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the run folders ``out-cls`` (images rendered, three models) and ``out-det`` (images kept, one model)."""
    folder = tmp_path_factory.getbasetemp() / "labelled_demo"  # one for all the conftests that import this
    return folder if folder.exists() else label_demo(folder)


class TinyNetwork(QualityNetwork):
    """Two convolutions; views are thumbnails, and portraits differ from landscapes in shape. Foreground from the first."""

    backbone_modules = ("backbone",)

    def __init__(self, outputs: tuple[Output, ...], dropout: float = 0.1, batch_norm: bool = True) -> None:
        super().__init__()
        self.outputs = tuple(outputs)
        norm = nn.BatchNorm2d(8) if batch_norm else nn.GroupNorm(2, 8)
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), norm, nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1))
        self.mask = nn.Conv2d(8, 1, 1)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(8, len(self.outputs)))

    def views(self, image: NDArray[np.uint8], rng: np.random.Generator | None = None) -> Views:
        rows, columns = np.linspace(0, image.shape[0] - 1, SIZE), np.linspace(0, image.shape[1] - 1, SIZE + 8)
        seen = image[rows.astype(int)][:, columns.astype(int)]
        if image.shape[0] > image.shape[1]:
            seen = seen.transpose(1, 0, 2)[:SIZE, :SIZE]
        if rng is not None and rng.random() < 0.5:
            seen = seen[:, ::-1]
        return {"image": torch.from_numpy(seen.copy()).permute(2, 0, 1).float() / 127.5 - 1}

    def forward(self, views: Views) -> Prediction:
        features = self.backbone(views["image"])
        pooled: Tensor = features.mean((2, 3))
        return Prediction(self.head(pooled), self.mask(features))


def training_fields(demo: Path, out: Path, **changes: object) -> dict[str, object]:
    """Fields of a training of both runs that takes seconds: 3 epochs of 6 steps."""
    return {
        "name": "tiny",
        "out": str(out),
        "network": "tiny",
        "runs": [str(demo / CLS), str(demo / DET)],
        "tasks": ["cls", "det"],
        "labels": ["consistency", "accuracy"],
        "degradations_per_source": 6,
        "epochs": 3,
        "batch_size": 10,
        "learning_rate": 0.01,
        "warmup_epochs": 0.5,
        "save_every": 1,
        "device": "cpu",
    } | changes


def register() -> None:
    """Make the tiny network known in this process."""
    NETWORKS._shipped["tiny"] = TinyNetwork


def train_here(fields: dict[str, object], kill_at: int | None = None) -> None:
    """Train in this process, which dies at a step if asked to: for a process of its own."""
    register()
    torch.set_num_threads(1)
    if kill_at is not None:
        start = QualityModule.on_train_batch_start

        def die(self: QualityModule, batch: Batch, batch_idx: int) -> None:
            if self.global_step == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            start(self, batch, batch_idx)

        QualityModule.on_train_batch_start = die  # type: ignore[method-assign]
    run_training(plan_training(load_config(fields=fields)))
