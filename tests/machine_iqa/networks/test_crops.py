"""Crops are torchvision's, and any shape of image gives one."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

from machine_iqa.networks.crops import HALF, crop_of_resized, normalised
from tests.machine_iqa.pictures import picture


@pytest.mark.parametrize("size", [(96, 128), (481, 321), (300, 300), (97, 388)])
@pytest.mark.parametrize("crop", [224, 288])
def test_the_crop_is_torchvision_s(size: tuple[int, int], crop: int) -> None:
    image = picture(*size)
    reference = Compose([Resize(288), CenterCrop(crop)])(Image.fromarray(image))
    np.testing.assert_array_equal(crop_of_resized(image, 288, crop), np.asarray(reference))


@pytest.mark.parametrize("size", [(60, 250), (999, 200)])
def test_the_crop_of_an_extreme_shape_is_torchvision_s_up_to_rounding(size: tuple[int, int]) -> None:
    image = picture(*size)
    reference = Compose([Resize(288), CenterCrop(224)])(Image.fromarray(image))
    difference = np.abs(crop_of_resized(image, 288, 224).astype(int) - np.asarray(reference).astype(int))
    assert difference.max() <= 1


def test_values_are_torchvision_s() -> None:
    image = picture(20, 30)
    reference = Compose([ToTensor(), Normalize(HALF, HALF)])(Image.fromarray(image))
    np.testing.assert_allclose(normalised(image, HALF, HALF).numpy(), reference.numpy(), atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 3), (4000, 30)])
@pytest.mark.parametrize("seed", [None, 1])
def test_any_shape(size: tuple[int, int], seed: int | None) -> None:
    rng = None if seed is None else np.random.default_rng(seed)
    assert crop_of_resized(picture(*size), 288, 224, rng).shape == (224, 224, 3)


def test_training_draws_from_everywhere() -> None:
    image = np.zeros((288, 400, 3), np.uint8)
    image[..., 0] = np.arange(400) // 2
    rng = np.random.default_rng(0)
    lefts = [int(crop_of_resized(image, 288, 224, rng)[0, 0, 0]) * 2 for _ in range(200)]
    assert min(lefts) <= 4 and max(lefts) >= 400 - 224 - 4
