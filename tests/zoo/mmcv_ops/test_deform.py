"""Deformable convolution and attention against ordinary convolution, shifted images and a plain loop."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from miqd_builder.zoo.mmcv_ops import install

install()
from mmcv.ops import deform_conv2d, modulated_deform_conv2d  # noqa: E402  the operators must be there first
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction  # noqa: E402


def randn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


GEOMETRIES = [(1, 1, 1, 1), (2, 1, 1, 2), (1, 2, 2, 1)]
"""Stride, padding, dilation, groups."""


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), GEOMETRIES)
def test_zero_offsets_make_an_ordinary_convolution(stride: int, padding: int, dilation: int, groups: int) -> None:
    features, weight = randn(2, 4, 9, 11), randn(6, 4 // groups, 3, 3, seed=1)
    expected = F.conv2d(features, weight, None, stride, padding, dilation, groups)
    offset = torch.zeros(2, 18, *expected.shape[2:])
    found = deform_conv2d(features, offset, weight, stride, padding, dilation, groups, 1)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    bias, half = randn(6, seed=2), torch.full((2, 9, *expected.shape[2:]), 0.5)
    modulated = modulated_deform_conv2d(features, offset, half, weight, bias, stride, padding, dilation, groups, 1)
    torch.testing.assert_close(modulated, expected / 2 + bias.view(1, -1, 1, 1), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("dy", "dx"), [(1, 0), (0, -2), (2, 3)])
def test_integer_offsets_sample_a_shifted_image(dy: int, dx: int) -> None:
    features, weight = randn(1, 3, 8, 9), randn(5, 3, 3, 3, seed=1)
    offset = torch.zeros(1, 18, 8, 9)
    offset[:, 0::2], offset[:, 1::2] = dy, dx  # y before x
    padded = F.pad(features, (4, 4, 4, 4))  # what lies outside the image is zero
    shifted = padded[:, :, 3 + dy : 13 + dy, 3 + dx : 14 + dx]  # one cell more on each side, for the kernel
    torch.testing.assert_close(deform_conv2d(features, offset, weight, 1, 1), F.conv2d(shifted, weight), atol=1e-4, rtol=1e-4)


def test_offset_groups_shift_their_own_channels() -> None:
    features, weight = randn(1, 2, 6, 6), torch.ones(1, 2, 1, 1)
    offset = torch.zeros(1, 4, 6, 6)
    offset[:, 3] = 1  # the second group looks one cell to the right
    found = deform_conv2d(features, offset, weight, 1, 0, 1, 1, 2)
    right = F.pad(features[:, 1], (0, 1))[:, :, 1:]
    torch.testing.assert_close(found[:, 0], features[:, 0] + right)


def test_deformable_convolution_gradients_are_numerically_right() -> None:
    double = torch.double
    features, weight = randn(1, 2, 5, 5, dtype=double), randn(2, 2, 3, 3, seed=1, dtype=double)
    offset = (torch.rand(1, 18, 5, 5, generator=torch.Generator().manual_seed(2), dtype=double) - 0.5) * 0.6 + 0.2
    mask, bias = torch.sigmoid(randn(1, 9, 5, 5, seed=3, dtype=double)), randn(2, seed=4, dtype=double)
    leaves = [tensor.requires_grad_() for tensor in (features, offset, mask, weight, bias)]
    assert torch.autograd.gradcheck(lambda f, o, w: deform_conv2d(f, o, w, 1, 1), (features, offset, weight))
    assert torch.autograd.gradcheck(lambda *inputs: modulated_deform_conv2d(*inputs, 1, 1), leaves)


def attention_inputs(dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    shapes = torch.tensor([[4, 6], [2, 3]])
    value = randn(2, 30, 2, 3, dtype=dtype)
    locations = torch.rand(2, 5, 2, 2, 4, 2, generator=torch.Generator().manual_seed(1), dtype=dtype) * 1.4 - 0.2
    attention = torch.softmax(randn(2, 5, 2, 8, seed=2, dtype=dtype), -1).view(2, 5, 2, 2, 4)
    return value, shapes, torch.tensor([0, 24]), locations, attention


def reference_attention(
    value: np.ndarray, shapes: np.ndarray, starts: np.ndarray, locations: np.ndarray, attention: np.ndarray
) -> np.ndarray:
    batch, _, heads, channels = value.shape
    output = np.zeros((batch, locations.shape[1], heads, channels))
    for image, query, head, level, point in itertools.product(*(range(n) for n in locations.shape[:5])):
        height, width = shapes[level]
        x, y = locations[image, query, head, level, point] * (width, height) - 0.5
        for row, column in itertools.product(
            (int(np.floor(y)), int(np.floor(y)) + 1), (int(np.floor(x)), int(np.floor(x)) + 1)
        ):
            if 0 <= row < height and 0 <= column < width:
                share = (1 - abs(y - row)) * (1 - abs(x - column)) * attention[image, query, head, level, point]
                output[image, query, head] += share * value[image, starts[level] + row * width + column, head]
    return output.reshape(batch, -1, heads * channels)


def test_deformable_attention_equals_a_plain_loop() -> None:
    inputs = attention_inputs(torch.float32)
    found = MultiScaleDeformableAttnFunction.apply(*inputs, 64)
    np.testing.assert_allclose(found, reference_attention(*(tensor.numpy() for tensor in inputs)), atol=1e-5)


def test_deformable_attention_gradients_are_numerically_right() -> None:
    value, shapes, starts, locations, attention = attention_inputs(torch.double)
    leaves = [tensor.requires_grad_() for tensor in (value, locations, attention)]
    assert torch.autograd.gradcheck(
        lambda v, where, weights: MultiScaleDeformableAttnFunction.apply(v, shapes, starts, where, weights, 64), leaves
    )
