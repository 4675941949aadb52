"""A small model with random weights, in a file of the form that training writes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from machine_iqa.model import MIQAModel
from machine_iqa.networks.base import Output
from machine_iqa.networks.miqa_small import MiqaSmall
from machine_iqa.weights import ModelRecord, save_model

OUTPUTS = tuple((task, label) for task in ("cls", "det", "ins") for label in ("consistency", "accuracy"))


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miqa-small that looks at 64x96 and 96x128 pixels, whose scores spread."""
    torch.manual_seed(3)
    options = {"area": 64 * 96, "large_area": 96 * 128}
    network = MiqaSmall([Output(*output) for output in OUTPUTS], **options)
    with torch.no_grad():
        for head in network.heads.values():
            head[-1].weight.mul_(20)
    record = ModelRecord(
        network="miqa-small",
        outputs=OUTPUTS,
        options=options,
        trained_on="nothing",
        licence="Apache-2.0",
        version="test",
    )
    file = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save_model(network, file, record)
    return file


@pytest.fixture(scope="session")
def model(model_file: Path) -> MIQAModel:
    """That model, on the CPU."""
    return MIQAModel(str(model_file), device="cpu")
