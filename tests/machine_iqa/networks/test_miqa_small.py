"""miqa-small: any shape in, bounded scores and a mask out, regions that count."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from machine_iqa.networks.base import Output, Views
from machine_iqa.networks.folding import folded
from machine_iqa.networks.miqa_small import MiqaSmall
from machine_iqa.networks.regions import by_region
from machine_iqa.weights import ModelRecord, load_model, save_model
from miqd_builder.errors import ConfigError
from tests.conftest import SHARED
from tests.machine_iqa.pictures import picture

OUTPUTS = [Output(task, label) for task in ("cls", "det", "ins") for label in ("consistency", "accuracy")]
LITE0 = SHARED / "real" / "weights" / "tf_efficientnet_lite0.safetensors"
SQUEEZENET = SHARED / "real" / "weights" / "squeezenet1_1.safetensors"
NANO = SHARED / "real" / "weights" / "yolox_nano_mmdet.pth"


@pytest.fixture(scope="module")
def network() -> MiqaSmall:
    torch.manual_seed(0)
    return MiqaSmall(OUTPUTS, area=64 * 96, large_area=96 * 128).eval()


def batch(network: MiqaSmall, *images: np.ndarray) -> Views:
    views = [network.views(image) for image in images]
    return {name: torch.stack([view[name] for view in views]) for name in views[0]}


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (48, 64), (640, 480), (100, 100), (200, 2000)])
def test_images_of_any_shape(network: MiqaSmall, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        found = network(batch(network, picture(*size)))
    assert found.scores.shape == (1, 6) and bool(((found.scores >= 0) & (found.scores <= 1)).all())
    view = network.views(picture(*size))
    assert view["patches"].shape == (9, 3, 64, 64)
    assert view["square"].shape == (3, 224, 224)
    assert not [side for name in ("image", "large") for side in view[name].shape[1:] if side % 32]
    assert found.mask is not None and found.mask.shape[2:] == tuple(side // 16 for side in view["image"].shape[1:])


def test_values_from_minus_1_to_1(network: MiqaSmall) -> None:
    view = network.views(np.full((50, 60, 3), 255, np.uint8))
    assert view["image"].min() == view["large"].min() == view["patches"].min() == 1
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
    before = {name: tensor.clone() for name, tensor in network.pretrained.backbone.state_dict().items() if "running" in name}
    network.train()
    found = network(batch(network, picture(seed=1), picture(seed=2)))
    assert found.damage is not None and found.damage.shape == (2, 12)
    (found.scores.sum() + found.damage.sum()).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())
    after = network.pretrained.backbone.state_dict()
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
    assert torch.equal(network.pretrained.backbone.conv_stem.weight, stem.float())


@pytest.mark.skipif(not NANO.is_file(), reason="weights of the detector are not here")
def test_the_detector_starts_from_a_file() -> None:
    network = MiqaSmall(OUTPUTS, detector=NANO)
    bias = torch.load(NANO, weights_only=True)["state_dict"]["bbox_head.multi_level_conv_cls.0.bias"]
    assert torch.equal(network.pretrained.detector.bbox_head.multi_level_conv_cls[0].bias, bias.float())


def test_the_detector_sees_the_large_view_as_bgr_from_0_to_1(network: MiqaSmall, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    original = network.pretrained.detector.forward
    monkeypatch.setattr(network.pretrained.detector, "forward", lambda image: (seen.append(image), original(image))[1])
    image = np.zeros((96, 128, 3), np.uint8)
    image[:] = (255, 102, 0)
    with torch.inference_mode():
        network(batch(network, image))
    assert seen[0].shape == (1, 3, 96, 128)
    torch.testing.assert_close(seen[0][0, :, 0, 0], torch.tensor([0.0, 0.4, 1.0]), atol=1e-5, rtol=0)


def test_objects_count_for_detectors_and_segmenters_alone(network: MiqaSmall, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the second classifier for classifiers alone."""
    view = batch(network, picture())
    with torch.inference_mode():
        before = network(view).scores
        original = network.pretrained.detector.forward
        monkeypatch.setattr(network.pretrained.detector, "forward", lambda image: [(c, o - 20) for c, o in original(image)])
        without_objects = network(view).scores
        monkeypatch.setattr(network.pretrained.detector, "forward", original)
        monkeypatch.setattr(network.pretrained.second, "forward", lambda image: torch.eye(1000)[:1] * 20)
        another_answer = network(view).scores
    changed = [(scores != before)[0].tolist() for scores in (without_objects, another_answer)]
    assert changed == [[False] * 2 + [True] * 4, [True] * 2 + [False] * 4]


@pytest.mark.parametrize(("task", "part", "views"), [("cls", "second", {"square"}), ("ins", "detector", {"large"})])
def test_what_no_task_needs_is_not_there(task: Literal["cls", "ins"], part: str, views: set[str]) -> None:
    alone = MiqaSmall([Output(task, "composite")], area=64 * 96, large_area=96 * 128).eval()
    assert set(alone.pretrained) == {"backbone", part}
    view = batch(alone, picture())
    assert set(view) == {"image", "patches", "scale"} | views == set(alone.preprocessing())
    with torch.inference_mode():
        assert alone(view).scores.shape == (1, 1)


def test_weights_of_a_part_that_no_task_needs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no part 'detector' for cls: leave the option 'detector' out"):
        MiqaSmall([Output("cls", "composite")], detector=tmp_path / "nano.pth")


@pytest.mark.skipif(not SQUEEZENET.is_file(), reason="weights of the second classifier are not here")
def test_the_second_classifier_starts_from_a_file() -> None:
    network = MiqaSmall(OUTPUTS, second=SQUEEZENET)
    assert torch.equal(network.pretrained.second.classifier[1].bias, load_file(SQUEEZENET)["classifier.1.bias"].float())


def test_outputs_in_any_order() -> None:
    """Columns belong to their outputs, in whatever order these are asked for."""
    torch.manual_seed(4)
    straight = MiqaSmall(OUTPUTS, area=64 * 96, large_area=96 * 128).eval()
    order = [4, 0, 3, 1, 5, 2]
    torch.manual_seed(4)
    mixed = MiqaSmall([OUTPUTS[place] for place in order], area=64 * 96, large_area=96 * 128).eval()
    state = straight.state_dict()
    inside = {"cls": [0, 1], "det": [1, 0], "ins": [0, 1]}  # of a head's outputs, their order in the mixed network
    for task, places in inside.items():
        for name in (f"heads.{task}.3.weight", f"heads.{task}.3.bias"):
            state[name] = state[name][places]
    mixed.load_state_dict(state)
    view = batch(straight, picture())
    with torch.inference_mode():
        torch.testing.assert_close(mixed(view).scores, straight(view).scores[:, order], atol=1e-6, rtol=0)
