"""YOLOX-nano and what its answer says, against mmdet, NumPy and SciPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage, special

from machine_iqa.networks.objects import BEST, seen_objects
from machine_iqa.networks.pretrained import load_pretrained
from machine_iqa.networks.yolox_nano import YoloxNano, from_mmdet
from miqd_builder.errors import ConfigError
from miqd_builder.zoo.build import build
from miqd_builder.zoo.entry import ModelEntry

CONFIG = "yolox/yolox_nano_8xb8-300e_coco.py"


def test_the_same_answer_as_mmdet_with_its_weights(tmp_path: Path) -> None:
    entry = ModelEntry.model_validate(
        {"name": "nano", "task": "det", "backend": "mmdet", "config": CONFIG, "license": "Apache-2.0"}
    )
    torch.manual_seed(0)
    theirs = build(entry, random_weights=True).model.eval()
    generator = torch.Generator().manual_seed(1)
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as a trained network's, not the identity
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 2),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.2, 0.2),
            ):
                tensor.uniform_(low, high, generator=generator)
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "nano.pth")
    ours = YoloxNano().eval()
    load_pretrained(ours, tmp_path / "nano.pth", from_mmdet)
    image = torch.randint(0, 256, (2, 3, 96, 160), generator=generator).float()
    with torch.inference_mode():
        classes, _, objects = theirs.bbox_head(theirs.neck(theirs.backbone(image)))
        found = ours(image / 255)
    for place, stride in enumerate((8, 16, 32)):
        assert found[place][0].shape == (2, 80, 96 // stride, 160 // stride)
        torch.testing.assert_close(found[place][0], classes[place], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found[place][1], objects[place], atol=1e-4, rtol=1e-4)


def test_weights_of_another_detector_are_one_line(tmp_path: Path) -> None:
    state = YoloxNano().state_dict()
    del state["backbone.stem.conv.bias"]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match=r"another architecture than YoloxNano: .* missing tensors") as told:
        load_pretrained(YoloxNano(), tmp_path / "other.pth", from_mmdet)
    assert "\n" not in str(told.value)


def test_seen_objects_by_value() -> None:
    rng = np.random.default_rng(0)
    levels = [(rng.normal(-1, 2, (2, 5, side, side + 2)), rng.normal(-1, 2, (2, 1, side, side + 2))) for side in (8, 4)]
    inside = np.zeros((2, 1, 8, 10))
    inside[:, :, :, :4] = 1
    found = seen_objects([(torch.from_numpy(c), torch.from_numpy(o)) for c, o in levels], torch.from_numpy(inside)).numpy()
    assert found.shape == (2, 2 * 10 + len(BEST))

    def log(value: float) -> float:
        return float(0.5 * np.log(value + 1e-3) + 1.5)

    for image in range(2):
        best, numbers = [], []
        for place, (classes, objects) in enumerate(levels):
            there = special.expit(objects[image, 0])
            scores = there * special.expit(classes[image]).max(0)
            found_ones = scores * (scores / (ndimage.maximum_filter(scores, 3) + 1e-6)) ** 4
            best += sorted(found_ones.ravel())
            counts = [np.interp(found_ones, [least / 2, least * 1.5], [0, 1]).sum() for least in (0.05, 0.1, 0.3, 0.5)]
            values = [found_ones.sum(), None, (found_ones**2).sum(), *counts]
            if place == 0:  # the mask has this level's size
                values[1] = (found_ones * inside[image, 0]).sum()
            numbers += [*values, there.mean(), scores.mean(), scores.std(ddof=1)]
        for place, value in enumerate(numbers):
            if value is not None:
                assert found[image, place] == pytest.approx(log(value), abs=1e-6)
        ordered = sorted(best, reverse=True)
        np.testing.assert_allclose(found[image, -len(BEST) :], [log(ordered[place]) for place in BEST], atol=1e-6)


def test_seen_objects_change_little_with_the_logits() -> None:
    """The same image in another engine differs in the last digits: nothing may be chosen or counted by them."""
    generator = torch.Generator().manual_seed(3)
    shapes = [((1, 5, side, side), (1, 1, side, side)) for side in (16, 8)]
    levels = [
        (torch.randn(classes, generator=generator), torch.randn(objects, generator=generator)) for classes, objects in shapes
    ]
    moved = [(c + 1e-5 * torch.randn(c.shape, generator=generator), o + 1e-5) for c, o in levels]
    inside = torch.rand(1, 1, 8, 8, generator=generator)
    torch.testing.assert_close(seen_objects(levels, inside), seen_objects(moved, inside), atol=2e-4, rtol=0)


def test_a_detector_that_sees_nothing_at_all_is_finite() -> None:
    nothing = [(torch.full((1, 5, 16, 16), -200.0), torch.full((1, 1, 16, 16), -200.0))]
    assert bool(seen_objects(nothing, torch.rand(1, 1, 8, 8)).isfinite().all())
