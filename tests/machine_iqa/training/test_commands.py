"""``miqd train`` and its function take the same, and docs/training.md lists every field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from machine_iqa.networks.registry import NETWORKS
from machine_iqa.training.config import Losses, TrainingConfig
from pipelines import api
from tests.conftest import ROOT, Outcome
from tests.machine_iqa.labelled_demo import CLS, TinyNetwork

Miqd = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS._shipped, "tiny", TinyNetwork)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A training file."""
    path = tmp_path / "mine.yaml"
    path.write_text("network: tiny\ndevice: cpu\nout: trainings\ndegradations_per_source: 4\nvalidations_per_epoch: 1\n")
    return path


def test_a_training_and_its_evaluation(miqd: Miqd, demo: Path, file: Path, tmp_path: Path) -> None:
    options = ("--config", file, "--runs", demo / CLS, "--epochs", 1, "--batch_size", 8, "--learning-rate", 0.01)
    plan = miqd("train", *options, "--dry-run")
    assert plan.code == 0 and "1 epochs of 3 steps of 8 images" in plan.out and not (tmp_path / "trainings").exists()
    done = miqd("train", *options)
    folder = tmp_path / "trainings/mine"
    assert done.code == 0 and f"Weights: {folder}/checkpoints/best.safetensors" in done.out and "SRCC" in done.out, done.err
    assert "train: step 3/3, epoch 1, loss " in done.err
    again = api.train(file, runs=demo / CLS, epochs=1, batch_size=8, learning_rate=0.01)
    assert again.card.is_file() and [figure.task for figure in again.figures if figure.subset == "all"] == ["cls"]
    assert miqd("train", *options, "--epochs", 2).err.startswith(f"Error: '{folder}' holds a training that differs in epochs")


def test_a_mistake_is_one_line(miqd: Miqd, file: Path, tmp_path: Path) -> None:
    for options, message in (
        (("--config", file), "Nothing to train on: give run folders"),
        (("--config", "ra_mica"), "Did you mean 'ra_miqa'"),
        (("--config", file, "--set", "epoch=3"), "unknown field 'epoch'. Did you mean 'epochs'"),
        (("--config", file, "--runs", tmp_path), "holds no run"),
        (("--config", file, "--data_path", tmp_path), "holds no labels of cls in the published form"),
    ):
        outcome = miqd("train", *options)
        assert outcome.code == 1 and message in outcome.err and len(outcome.err.strip().splitlines()) == 1, outcome.err
    with pytest.raises(TypeError, match="Did you mean 'epochs'"):
        api.train(file, epoch=3)  # type: ignore[call-arg]


def test_every_field_is_documented() -> None:
    page = (ROOT / "docs/training.md").read_text()
    assert [name for name in (*TrainingConfig.model_fields, *Losses.model_fields) if f"`{name}`" not in page] == []
