"""miqa-small: any shape in, bounded scores and a mask out, regions that count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from machine_iqa.networks.base import Output, Views
from machine_iqa.networks.folding import folded
from machine_iqa.networks.miqa_small import MiqaSmall, by_region
from machine_iqa.weights import ModelRecord, load_model, save_model
from tests.conftest import SHARED
from tests.machine_iqa.pictures import picture

OUTPUTS = [Output(task, label) for task in ("cls", "det", "ins") for label in ("consistency", "accuracy")]
LITE0 = SHARED / "real" / "weights" / "tf_efficientnet_lite0.safetensors"


@pytest.fixture(scope="module")
def network() -> MiqaSmall:
    torch.manual_seed(0)
    return MiqaSmall(OUTPUTS, area=64 * 96).eval()


def batch(network: MiqaSmall, *images: np.ndarray) -> Views:
    views = [network.views(image) for image in images]
    return {name: torch.stack([view[name] for view in views]) for name in views[0]}


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (48, 64), (640, 480), (100, 100), (200, 2000)])
def test_images_of_any_shape(network: MiqaSmall, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        found = network(batch(network, picture(*size)))
    assert found.scores.shape == (1, 6) and bool(((found.scores >= 0) & (found.scores <= 1)).all())
    view = network.views(picture(*size))
    assert view["patches"].shape == (9, 3, 64, 64) and view["image"].shape[1] % 32 == view["image"].shape[2] % 32 == 0
    assert found.mask is not None and found.mask.shape[2:] == tuple(side // 16 for side in view["image"].shape[1:])


def test_values_from_minus_1_to_1(network: MiqaSmall) -> None:
    view = network.views(np.full((50, 60, 3), 255, np.uint8))
    assert view["image"].min() == view["patches"].min() == 1
    patch = network.views(image := picture(300, 400))["patches"][4]  # the middle one, on JPEG's grid of blocks
    pixels = ((patch.permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
    np.testing.assert_array_equal(pixels, image[112:176, 168:232])


def test_small_enough(tmp_path: Path) -> None:
    """The largest matrices are stored in 8 bits, which changes scores by less than anybody reads."""
    torch.manual_seed(1)
    network = MiqaSmall(OUTPUTS).eval()
    outputs = tuple((output.task, output.label) for output in OUTPUTS)
    record = ModelRecord(network="miqa-small", outputs=outputs, trained_on="nothing", licence="MIT", version="1")
    save_model(network, tmp_path / "a.safetensors", record)
    assert (tmp_path / "a.safetensors").stat().st_size < 7_950_000
    stored = load_file(tmp_path / "a.safetensors")
    assert {name for name, tensor in stored.items() if tensor.dtype == torch.int8} == set(network.eight_bits)
    loaded, _ = load_model(tmp_path / "a.safetensors")
    view = batch(network, picture(), picture(seed=5))
    with torch.inference_mode():
        torch.testing.assert_close(loaded(view).scores, network(view).scores, atol=2e-3, rtol=0)


def test_training_keeps_the_statistics_of_the_backbone(network: MiqaSmall) -> None:
    before = {name: tensor.clone() for name, tensor in network.backbone.state_dict().items() if "running" in name}
    network.train()
    found = network(batch(network, picture(seed=1), picture(seed=2)))
    assert found.damage is not None and found.damage.shape == (2, 12)
    (found.scores.sum() + found.damage.sum()).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())
    after = network.backbone.state_dict()
    network.zero_grad(set_to_none=True)
    network.eval()
    assert before and all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_training_moves_the_patches_by_whole_blocks(network: MiqaSmall) -> None:
    image = picture(300, 400)
    fixed, moved = network.views(image), network.views(image, np.random.default_rng(3))
    assert torch.equal(fixed["image"], moved["image"]) and not torch.equal(fixed["patches"], moved["patches"])


def test_features_are_averaged_by_region() -> None:
    features = torch.tensor([[[1.0, 2.0, 30.0, 50.0]]])
    found = by_region(features, torch.tensor([[[1.0, 1.0, 0.0, 0.0]]]))
    for mean, expected in zip(found, (1.5, 40.0, 20.75), strict=True):
        assert float(mean) == pytest.approx(expected, rel=1e-3)


def test_the_mask_decides_what_counts(network: MiqaSmall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise in the left half of a picture counts otherwise where the mask says that the object is there."""

    def scores(sign: float) -> torch.Tensor:
        def half(features: torch.Tensor) -> torch.Tensor:
            columns = torch.linspace(8 * sign, -8 * sign, features.shape[3])
            return columns.expand(len(features), 1, features.shape[2], -1)

        monkeypatch.setattr(network.mask_head, "forward", half)
        with torch.inference_mode():
            found: torch.Tensor = network(batch(network, noisy)).scores
        return found

    noisy = picture(192, 288)
    noisy[:, :144] = np.random.default_rng(0).integers(0, 256, (192, 144, 3))
    assert float((scores(1) - scores(-1)).abs().max()) > 0.01


def test_folding_changes_nothing_but_the_number_of_layers(network: MiqaSmall) -> None:
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    fast = folded(network)
    view = batch(network, picture(), picture(seed=5))
    with torch.inference_mode():
        torch.testing.assert_close(fast(view).scores, network(view).scores, atol=1e-5, rtol=0)
    assert not [module for module in fast.modules() if isinstance(module, nn.BatchNorm2d)]
    assert [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.skipif(not LITE0.is_file(), reason="weights of the backbone are not here")
def test_the_backbone_starts_from_a_file() -> None:
    network = MiqaSmall(OUTPUTS, backbone=LITE0)
    stem = load_file(LITE0)["conv_stem.weight"]
    assert torch.equal(network.backbone.conv_stem.weight, stem.float())
