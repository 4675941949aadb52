"""Exported models give the same scores in other programs, which only have NumPy and OpenCV."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

from machine_iqa import MIQAModel
from machine_iqa.export import export
from machine_iqa.networks.base import Output
from machine_iqa.networks.registry import create_network
from machine_iqa.weights import ModelRecord, save_model
from miqd_builder.errors import ConfigError
from tests.machine_iqa.networks.golden import GOLDEN, golden_state, golden_views
from tests.machine_iqa.pictures import picture


def in_onnx_runtime(file: Path, views: dict[str, np.ndarray]) -> np.ndarray:
    scores: np.ndarray = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, views)[0]
    return scores


def batch(model: MIQAModel, *images: np.ndarray) -> dict[str, torch.Tensor]:
    views = [model.network.views(image) for image in images]
    return {name: torch.stack([view[name] for view in views]) for name in views[0]}


def test_onnx(model: MIQAModel, tmp_path: Path) -> None:
    file = export(model, tmp_path / "m.onnx")
    for size in ((100, 150), (300, 150), (90, 90)):
        for count in (1, 3):
            views = batch(model, *(picture(*size, seed=seed) for seed in range(count)))
            expected = model.scores_of_views([{name: view[index] for name, view in views.items()} for index in range(count)])
            np.testing.assert_allclose(in_onnx_runtime(file, {n: v.numpy() for n, v in views.items()}), expected, atol=1e-4)
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.onnx"]
    described = onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map["miqa"]
    record = json.loads(described)
    assert record["outputs"][0] == {"task": "cls", "label": "consistency"} and record["sha256"] == model.sha256
    assert set(record["preprocessing"]) == {"image", "large", "square", "patches", "scale"}


def test_views_with_numpy_and_opencv_alone(model: MIQAModel) -> None:
    """What docs/quality-models.md shows."""
    text = (Path(__file__).parents[2] / "docs" / "quality-models.md").read_text("utf-8")
    code = text.split("<!-- views -->\n")[1].split("```python\n")[1].split("```")[0]
    names: dict[str, object] = {}
    exec(code, names)
    record = model.network.preprocessing()
    for size in ((100, 150), (700, 500), (70, 900)):
        image = picture(*size)
        made = names["views"](cv2.cvtColor(image, cv2.COLOR_RGB2BGR), record)  # type: ignore[operator]
        for name, view in batch(model, image).items():
            assert made[name].dtype == np.float32
            np.testing.assert_allclose(made[name], view.numpy(), atol=1e-6)


def test_pt2(model: MIQAModel, tmp_path: Path) -> None:
    file = export(model, tmp_path / "m.pt2")
    extra = {"miqa": ""}
    program = torch.export.load(str(file), extra_files=extra).module()
    assert json.loads(extra["miqa"])["model"] == model.name
    images = [picture(480, 640, seed=seed) for seed in range(3)]
    views = batch(model, *images)
    found = program(*views.values()).detach().numpy()
    expected = model.scores(images)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_ra_miqa_in_onnx(tmp_path: Path) -> None:
    network = create_network("ra-miqa", [Output("cls", "composite")])
    network.load_state_dict(golden_state())
    record = ModelRecord(network="ra-miqa", outputs=(("cls", "composite"),), trained_on="", licence="", version="")
    save_model(network, tmp_path / "ra.safetensors", record, half=False)
    file = export(MIQAModel("ra-miqa", weights=tmp_path / "ra.safetensors", device="cpu"), tmp_path / "ra.onnx")
    scores = in_onnx_runtime(file, {name: view.numpy() for name, view in golden_views().items()})
    np.testing.assert_allclose(scores[:, 0], GOLDEN["outputs"], atol=1e-4)


def test_wrong_names(model: MIQAModel, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.onnx or \.pt2"):
        export(model, tmp_path / "m.tflite")
    with pytest.raises(ConfigError, match="is not there"):
        export(model, tmp_path / "nowhere" / "m.onnx")
