"""Region pooling against values worked out by hand and a plain NumPy RoIAlign."""

import numpy as np
import pytest
import torch

from miqd_builder.zoo.mmcv_ops import MissingOperatorError, install

install()
from mmcv.ops import roi_align, roi_pool  # noqa: E402  the operators must be there first


def bilinear(image: np.ndarray, y: float, x: float) -> float:
    """Value between cell centres; outside by more than a cell nothing, nearer than that the border's."""
    height, width = image.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0.0), height - 1), min(max(x, 0.0), width - 1)
    top, left = min(int(y), height - 2), min(int(x), width - 2)
    dy, dx = y - top, x - left
    corners = image[top : top + 2, left : left + 2]
    return float(np.array([1 - dy, dy]) @ corners @ np.array([1 - dx, dx]))


def reference_roi_align(image: np.ndarray, roi: list[float], size: int, scale: float, ratio: int, aligned: bool) -> np.ndarray:
    shift = 0.5 if aligned else 0.0
    x1, y1, x2, y2 = (value * scale - shift for value in roi)
    smallest = 0.0 if aligned else 1.0
    width, height = max(x2 - x1, smallest), max(y2 - y1, smallest)
    points_y = ratio or int(np.ceil(height / size))
    points_x = ratio or int(np.ceil(width / size))
    pooled = np.zeros((size, size))
    for row, column in np.ndindex(size, size):
        samples = [
            bilinear(
                image,
                y1 + height / size * (row + (i + 0.5) / points_y),
                x1 + width / size * (column + (j + 0.5) / points_x),
            )
            for i in range(points_y)
            for j in range(points_x)
        ]
        pooled[row, column] = np.mean(samples)
    return pooled


def test_roi_align_on_a_ramp_gives_the_centres_of_the_bins() -> None:
    """On f(y, x) = 10 y + x the average of a bin is the value at its centre: four bins of 2x2 cells, worked out by hand."""
    y, x = np.mgrid[0:8, 0:8]
    ramp = torch.tensor(10.0 * y + x)[None, None].float()
    pooled = roi_align(ramp, torch.tensor([[0.0, 2.0, 2.0, 6.0, 6.0]]), 2, 1.0, 2, "avg", True)
    # Bins span 2..4 and 4..6 in image pixels, so their centres 3 and 5 lie at cells 2.5 and 4.5.
    np.testing.assert_allclose(pooled[0, 0], [[27.5, 29.5], [47.5, 49.5]], rtol=1e-6)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("roi", [[3.0, 5.0, 20.0, 30.0], [-9.0, -4.0, 12.0, 50.0], [7.0, 7.0, 7.5, 7.2]])
def test_roi_align_equals_the_definition(roi: list[float], ratio: int, aligned: bool) -> None:
    images = np.random.default_rng(0).normal(size=(2, 3, 10, 12)).astype(np.float32)
    pooled = roi_align(torch.from_numpy(images), torch.tensor([[1.0, *roi]]), 3, 0.25, ratio, "avg", aligned)
    for channel in range(3):
        expected = reference_roi_align(images[1, channel], roi, 3, 0.25, ratio, aligned)
        np.testing.assert_allclose(pooled[0, channel], expected, atol=1e-5)


def test_roi_align_gradient_is_numerically_right() -> None:
    features = torch.randn(1, 2, 5, 6, dtype=torch.double, generator=torch.Generator().manual_seed(0), requires_grad=True)
    rois = torch.tensor([[0, 0.7, 1.1, 4.2, 3.9], [0, 2.0, 0.0, 5.5, 4.5]], dtype=torch.double)
    assert torch.autograd.gradcheck(lambda f: roi_align(f, rois, 2, 1.0, 2, "avg", True), (features,))


def test_roi_align_with_max_pooling_says_that_it_is_missing() -> None:
    with pytest.raises(MissingOperatorError, match="roi_align with pool_mode='max'"):
        roi_align(torch.zeros(1, 1, 4, 4), torch.tensor([[0.0, 0.0, 0.0, 2.0, 2.0]]), 2, 1.0, 2, "max", True)


def test_roi_pool_takes_the_largest_cell_of_each_bin() -> None:
    features = torch.arange(36.0).view(1, 1, 6, 6)
    rois = torch.tensor([[0.0, 0.0, 0.0, 3.0, 3.0], [0.0, 3.0, 1.0, 5.0, 5.0], [0.0, 8.0, 8.0, 9.0, 9.0]])
    pooled = roi_pool(features, rois, 2, 1.0)
    np.testing.assert_array_equal(pooled[0, 0], [[7, 9], [19, 21]])  # cells 0..1 and 2..3
    np.testing.assert_array_equal(pooled[1, 0], [[22, 23], [34, 35]])  # rows 1..3 and 3..5, columns 3..4 and 4..5
    np.testing.assert_array_equal(pooled[2, 0], [[0, 0], [0, 0]])  # outside


def test_roi_pool_gradient_goes_to_the_largest_cell() -> None:
    features = torch.arange(36.0).view(1, 1, 6, 6).requires_grad_()
    roi_pool(features, torch.tensor([[0.0, 0.0, 0.0, 3.0, 3.0], [0.0, 0.0, 0.0, 3.0, 3.0]]), 2, 1.0).sum().backward()
    assert features.grad is not None
    assert {tuple(cell) for cell in features.grad[0, 0].nonzero().tolist()} == {(1, 1), (1, 3), (3, 1), (3, 3)}
    assert features.grad.sum() == 8
