"""Networks in bfloat16: they run, predict nearly the same, keep the contract, and only where their back end can."""

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from miqd_builder.responses import Classification, Response
from miqd_builder.zoo.adapters.base import Adapter
from miqd_builder.zoo.adapters.precision import use_bfloat16
from miqd_builder.zoo.build import build, precision_of
from miqd_builder.zoo.entry import ModelEntry
from tests.zoo.small_models import SMALL_MODELS

SMALL_INPUT = {"resize_short": 32, "crop": 32, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
SMALL_VIT = {"_delete_": True, "embed_dims": 32, "num_layers": 2, "num_heads": 2, "feedforward_channels": 64}
# Smaller still than the other tests' models: without bfloat16 instructions a CPU is slow at this.
MODELS = {
    "timm": ModelEntry(
        name="timm",
        task="cls",
        backend="timm",
        arch="vit_tiny_patch16_224",
        arch_kwargs={"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2, "num_classes": 7},
        preprocess=SMALL_INPUT,
    ),
    "torchvision": ModelEntry(
        name="torchvision",
        task="cls",
        backend="torchvision",
        arch="squeezenet1_1",
        arch_kwargs={"num_classes": 7},
        preprocess=SMALL_INPUT,
    ),
    "mmpretrain": ModelEntry(
        name="mmpretrain",
        task="cls",
        backend="mmpretrain",
        config="deit/deit-tiny_4xb256_in1k.py",
        cfg_options={
            "model.backbone.arch": SMALL_VIT,
            "model.backbone.img_size": 32,
            "model.backbone.patch_size": 8,
            "model.head.in_channels": 32,
            "model.head.num_classes": 7,
        },
        preprocess=SMALL_INPUT,
    ),
    "mmdet-mask-rcnn": SMALL_MODELS["mmdet-mask-rcnn"],
    "mmdet-solo": SMALL_MODELS["mmdet-solo"],
}


@cache
def built(name: str, precision: str) -> Adapter:
    return build(MODELS[name], random_weights=True, precision=precision)


def numbers(response: Response) -> np.ndarray:
    return response.probabilities if isinstance(response, Classification) else response.scores


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_other_but_close(name: str, images: list[np.ndarray]) -> None:
    half, full = (built(name, precision).predict(images[:2]) for precision in ("bfloat16", "float32"))
    for one, other in zip(half, full, strict=True):
        assert numbers(one).dtype == np.float32
        assert not np.array_equal(numbers(one), numbers(other))
        if isinstance(one, Classification):
            assert one.probabilities.sum() == pytest.approx(1, abs=1e-5)
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=0.02)
        else:
            best = min(len(one.scores), len(other.scores), 3)
            assert best and np.abs(one.scores[:best] - other.scores[:best]).max() < 0.05


@pytest.mark.parametrize("name", ["timm", "mmpretrain", "mmdet-solo"])
def test_they_do_not_depend_on_the_other_images(name: str, images: list[np.ndarray]) -> None:
    model = built(name, "bfloat16")
    together = model.predict(images[:3])
    for image, prediction in zip(images, together, strict=False):
        np.testing.assert_array_equal(numbers(model.predict([image])[0]), numbers(prediction))


@pytest.mark.parametrize("name", ["timm", "mmdet-solo"])
def test_weights_stay_in_full_precision(name: str) -> None:
    assert {p.dtype for p in built(name, "bfloat16").model.parameters()} == {torch.float32}


def test_the_network_itself_computes_in_bfloat16() -> None:
    seen = []
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    network[1].register_forward_hook(lambda layer, inputs, output: seen.append(output.dtype))
    use_bfloat16(network, "forward", torch.device("cpu"))
    assert network(torch.zeros(1, 3, 8, 8)).dtype == torch.float32
    assert seen == [torch.bfloat16]


def test_nested_results_come_back_in_float32() -> None:
    class Features(nn.Module):
        def extract_feat(self, x: torch.Tensor) -> object:
            return ({"a": [x @ x, x.long()]}, None)

    network = Features()
    use_bfloat16(network, "extract_feat", torch.device("cpu"))
    found, nothing = network.extract_feat(torch.eye(3) * 1.001)
    product, indices = found["a"]
    assert product.dtype == torch.float32 and indices.dtype == torch.int64 and nothing is None
    assert product[0, 0] == 1.0  # 8 bits can't tell 1.001 from 1


def test_back_ends_that_cannot_stay_in_float32() -> None:
    own = ModelEntry(name="m", task="cls", backend="python", target="a:b")
    assert precision_of(own, "bfloat16") == "float32"
    assert precision_of(SMALL_MODELS["ultralytics"], "bfloat16") == "float32"
    assert precision_of(SMALL_MODELS["timm"], "bfloat16") == "bfloat16"
