"""Pooling of regions with the arguments of mmcv's extension: RoIAlign and RoIPool, forward and backward.

Regions are ``(n, 5)``: index of the image in the batch, x1, y1, x2, y2 in pixels of the input image; ``spatial_scale`` turns
them into cells of the feature map ``(batch, channels, height, width)``.
"""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor

from miqd_builder.zoo.mmcv_ops.missing import MissingOperatorError

AVERAGE = 1
"""mmcv's number of the pooling mode ``avg``; 0 is ``max``."""


def roi_align_forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``output`` ``(n, channels, aligned_height, aligned_width)`` with RoIAlign (He et al., 2017, arXiv 1703.06870).

    ``argmax_y`` and ``argmax_x`` belong to max pooling and stay untouched.

    Raises:
        MissingOperatorError: ``pool_mode`` is max, for which torchvision has no counterpart.
    """
    _only_average(pool_mode)
    size = (aligned_height, aligned_width)
    output.copy_(torchvision.ops.roi_align(features, rois.to(features), size, spatial_scale, sampling_ratio, aligned))


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``grad_input`` (shape of the feature map) with the gradient of :func:`roi_align_forward`.

    Raises:
        MissingOperatorError: ``pool_mode`` is max.
    """
    _only_average(pool_mode)
    size = (aligned_height, aligned_width)
    with torch.enable_grad():
        # RoIAlign is linear in the features, so its gradient can be taken at zero.
        features = torch.zeros_like(grad_input, requires_grad=True)
        pooled = torchvision.ops.roi_align(features, rois.to(features), size, spatial_scale, sampling_ratio, aligned)
    grad_input.copy_(torch.autograd.grad(pooled, features, grad_output)[0])


def _only_average(pool_mode: int) -> None:
    if pool_mode != AVERAGE:
        raise MissingOperatorError("roi_align with pool_mode='max'")


def roi_pool_forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    *,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fill ``output`` and ``argmax`` ``(n, channels, pooled_height, pooled_width)`` with the maximum of each bin.

    Bins follow mmcv: a region reaches from ``x1 * scale`` to ``(x2 + 1) * scale`` without rounding (torchvision rounds), a bin
    holds every cell that it touches. ``argmax`` is the place ``y * width + x`` of the maximum, -1 where the bin is empty.
    """
    height, width = features.shape[2:]
    for index, roi in enumerate(rois):
        image = features[int(roi[0])]
        x1, y1 = roi[1] * spatial_scale, roi[2] * spatial_scale
        x2, y2 = (roi[3] + 1) * spatial_scale, (roi[4] + 1) * spatial_scale
        rows = _bins(y1, y2, pooled_height, height)
        columns = _bins(x1, x2, pooled_width, width)
        for row, (top, bottom) in enumerate(rows):
            for column, (left, right) in enumerate(columns):
                if bottom <= top or right <= left:
                    output[index, :, row, column], argmax[index, :, row, column] = 0, -1
                    continue
                best, place = image[:, top:bottom, left:right].flatten(1).max(dim=1)
                output[index, :, row, column] = best
                cell_y = top + torch.div(place, right - left, rounding_mode="floor")
                cell_x = left + place % (right - left)
                argmax[index, :, row, column] = (cell_y * width + cell_x).to(argmax.dtype)


def _bins(start: Tensor, end: Tensor, count: int, limit: int) -> list[tuple[int, int]]:
    """First and one-past-last cell of each of ``count`` bins between start and end, inside 0..limit."""
    if end <= start:
        return [(0, 0)] * count
    step = (end - start) / count
    firsts = [int(torch.floor(start + step * i)) for i in range(count)]
    lasts = [int(torch.ceil(start + step * (i + 1))) for i in range(count)]
    return [(min(max(a, 0), limit), min(max(b, 0), limit)) for a, b in zip(firsts, lasts, strict=True)]


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    *,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fill ``grad_input`` (shape of the feature map): each output's gradient goes to the cell that was its maximum."""
    grad_input.zero_()
    places = argmax.flatten(2).long()
    arriving = grad_output.flatten(2) * (places >= 0)
    images = grad_input.view(*grad_input.shape[:2], -1)
    for index, roi in enumerate(rois):
        images[int(roi[0])].scatter_add_(1, places[index].clamp(min=0), arriving[index])
