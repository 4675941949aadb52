"""The measures of the optional package pyiqa, with random weights on both sides; skipped where it is not installed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from miqd_builder.errors import ConfigError
from miqd_builder.measures import create_measure
from miqd_builder.measures.pyiqa_extra import _no_backbone_download

pyiqa = pytest.importorskip("pyiqa", reason="the optional extra pyiqa is not installed")
MODELS = {"hyperiqa": "hyperiqa", "maniqa": "maniqa", "musiq": "musiq", "topiq": "topiq_nr"}
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 240, 256, 3), dtype=np.uint8)


def reference(name: str, seed: int = 0) -> Any:
    """The package's own metric, with random weights."""
    torch.manual_seed(seed)
    with _no_backbone_download():
        return pyiqa.create_metric(MODELS[name], device="cpu", pretrained=False)


def own_list(folder: Path, name: str, tensors: dict[str, torch.Tensor]) -> Path:
    file = folder / f"{name}.pth"
    torch.save(tensors if name == "musiq" else {"params": tensors}, file)  # as pyiqa publishes them
    place = {"path": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    (folder / "own.yaml").write_text(yaml.safe_dump({"weights": [{"name": name, "licence": "mine", "places": [place]}]}))
    return folder / "own.yaml"


@pytest.mark.parametrize("name", MODELS)
def test_equals_the_package_in_a_batch_alone_and_again(name: str, tmp_path: Path) -> None:
    metric = reference(name)
    measure = create_measure(name, own_weights=[own_list(tmp_path, name, metric.net.state_dict())])
    images = IMAGES[:1] if name == "maniqa" else IMAGES  # twenty crops through a large transformer: a minute an image
    together = measure(images)
    with torch.inference_mode():
        theirs = [float(metric(torch.from_numpy(image.transpose(2, 0, 1)[None].copy()) / 255)) for image in images]
    assert together == pytest.approx(theirs, abs=1e-5)
    if name != "maniqa":
        assert together == pytest.approx([float(measure(image[None])[0]) for image in images], abs=1e-6)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    tensors = reference("musiq").net.state_dict()
    del tensors[next(iter(tensors))]
    with pytest.raises(ConfigError, match="doesn't fit pyiqa's musiq"):
        create_measure("musiq", own_weights=[own_list(tmp_path, "musiq", tensors)])
