"""The model object: the same score however an image comes, and clear words where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import machine_iqa
from machine_iqa import MIQAModel, batch_assess, create_model, list_models
from machine_iqa.networks.base import Output
from machine_iqa.networks.registry import create_network
from miqd_builder.errors import ConfigError, UnreadableImageError
from tests.conftest import ROOT
from tests.machine_iqa.pictures import picture
from tests.test_imports import HEAVY

SIZES = [(40, 60), (60, 40), (300, 400), (1, 1)]


def test_an_image_has_one_score(model: MIQAModel) -> None:
    images = [picture(*SIZES[i % 4], seed=i) for i in range(32)]
    alone = [model.assess(image) for image in images]
    assert len({round(score, 4) for score in alone}) > 10
    np.testing.assert_allclose(model.assess_batch(images), alone, atol=1e-5)
    np.testing.assert_allclose(model.assess_batch(images[::-1])[::-1], alone, atol=1e-5)
    assert [model.assess(image) for image in images[:3]] == alone[:3]
    assert model.to("cpu") is model
    np.testing.assert_allclose([model.assess(image) for image in images[:3]], alone[:3], atol=1e-5)
    assert model.assess_batch([]) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_an_image_has_the_same_score_on_a_gpu(model_file: Path, model: MIQAModel) -> None:
    moved = MIQAModel(str(model_file)).to("cuda")
    assert moved.assess(picture()) == pytest.approx(model.assess(picture()), abs=1e-5)


def test_engines_agree(model: MIQAModel, model_file: Path) -> None:
    plain = MIQAModel(str(model_file), device="cpu", engine="torch")
    for size in SIZES:
        assert plain.assess(picture(*size)) == pytest.approx(model.assess(picture(*size)), abs=1e-5)


def test_the_network_says_the_same(model: MIQAModel) -> None:
    image = picture(100, 150)
    with torch.inference_mode():
        plain = model.network({name: view[None] for name, view in model.network.views(image).items()}).scores[0].tolist()
    found = model.assess_all(image, channels="RGB")
    flat = [found[task][label] for task in ("cls", "det", "ins") for label in ("consistency", "accuracy")]
    np.testing.assert_allclose(flat, plain, atol=1e-5)
    for labels in found.values():
        assert labels["composite"] == pytest.approx((labels["consistency"] + labels["accuracy"]) / 2)
    assert found["cls"]["composite"] == pytest.approx(model.assess(Image.fromarray(image)), abs=1e-6)


def test_channels_are_bgr_unless_said(model: MIQAModel) -> None:
    image = picture()
    assert model.assess(image[..., ::-1]) == model.assess(image, channels="RGB") != model.assess(image)


def test_attributes(model: MIQAModel, model_file: Path) -> None:
    assert (model.task, model.label, model.score_range, model.lower_better) == ("cls", "composite", (0, 1), False)
    assert (model.trained_on, model.licence, len(model.sha256)) == ("nothing", "Apache-2.0", 64)
    det = create_model("miqa-small", weights=model_file, task="det", label="accuracy", device="cpu")
    assert det.assess(picture()) == pytest.approx(model.assess_all(picture())["det"]["accuracy"], abs=1e-6)
    assert batch_assess([picture()], "miqa-small", weights=model_file, device="cpu") == [model.assess(picture())]


def test_a_published_checkpoint_as_in_the_readme_of_the_paper(tmp_path: Path) -> None:
    network = create_network("resnet18", [Output("det", "composite")]).eval()
    file = tmp_path / "miqa_resnet18_det_composite_metric.pth.tar"
    torch.save({"state_dict": {f"module.{k}": v for k, v in network.published().state_dict().items()}}, file)
    model = MIQAModel("resnet18", task="det", label="composite", weights=str(file), device="auto")
    with torch.inference_mode():
        expected = float(network({"crop": network.views(picture())["crop"][None]}).scores)
    assert model.assess(picture(), channels="RGB") == pytest.approx(expected, abs=1e-4)
    assert list(model.assess_all(picture())) == ["det"] and list(model.assess_all(picture())["det"]) == ["composite"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "dett"}, "Unknown task 'dett'.*Did you mean 'det'"),
        ({"task": "seg"}, "no scores for task seg: expected one of cls, det, ins"),
        ({"label": "acuracy"}, "Did you mean 'accuracy'"),
        ({"device": "gpu"}, "Unknown device 'gpu'"),
        ({"device": "cuda:99"}, "not available"),
        ({"engine": "tensorflow"}, "expected auto, torch or onnx"),
        ({"weights": "nowhere.pth"}, "nowhere.pth are not there"),
    ],
)
def test_wrong_options(model_file: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MIQAModel("miqa-small", **{"weights": str(model_file), **options})


def test_wrong_images_and_names(model: MIQAModel, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError):
        model.assess(tmp_path / "nothing.png")
    with pytest.raises(ConfigError, match="float"):
        model.assess(np.zeros((4, 4, 3)))
    with pytest.raises(ConfigError, match="Did you mean 'ra-miqa'"):
        MIQAModel("ramiqa")
    assert "ra-miqa" in list_models() and list_models("resnet*") == ["resnet18", "resnet50"]
    with pytest.raises(AttributeError, match="Did you mean 'MIQAModel'"):
        machine_iqa.MIQAmodel  # type: ignore[attr-defined]  # noqa: B018


def test_the_import_is_light() -> None:
    code = "import sys, machine_iqa; dir(machine_iqa); print(*{m.split('.')[0] for m in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not (HEAVY | {"numpy", "pydantic", "cv2", "av"}) & set(loaded)
    assert (ROOT / "machine_iqa" / "py.typed").is_file()
