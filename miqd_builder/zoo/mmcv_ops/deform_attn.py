"""Multi-scale deformable attention (Zhu et al., 2021, arXiv 2010.04159) with the arguments of mmcv's extension.

Shapes: ``value`` ``(batch, cells of all levels, heads, channels)``; ``spatial_shapes`` ``(levels, 2)`` height and width;
``locations`` ``(batch, queries, heads, levels, points, 2)`` x, y in [0, 1] of a level; ``attention`` the same without the last
axis. ``level_start`` and ``im2col_step`` serve the compiled kernel only: the starts follow from the spatial shapes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def ms_deform_attn_forward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start: Tensor,
    locations: Tensor,
    attention: Tensor,
    *,
    im2col_step: int,
) -> Tensor:
    """Return ``(batch, queries, heads * channels)``: values sampled at the locations of each level, weighted by attention."""
    batch, _, heads, channels = value.shape
    queries = locations.shape[1]
    shapes = [(int(h), int(w)) for h, w in spatial_shapes]
    levels = value.split([h * w for h, w in shapes], dim=1)
    total = value.new_zeros((batch * heads, channels, queries))
    for level, (height, width) in enumerate(shapes):
        feature_map = levels[level].permute(0, 2, 3, 1).reshape(batch * heads, channels, height, width)
        grid = (2 * locations[:, :, :, level] - 1).transpose(1, 2).flatten(0, 1)
        sampled = F.grid_sample(feature_map, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        weights = attention[:, :, :, level].transpose(1, 2).reshape(batch * heads, 1, queries, -1)
        total = total + (sampled * weights).sum(dim=-1)
    return total.view(batch, heads * channels, queries).transpose(1, 2).contiguous()


def ms_deform_attn_backward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start: Tensor,
    locations: Tensor,
    attention: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_locations: Tensor,
    grad_attention: Tensor,
    *,
    im2col_step: int,
) -> None:
    """Fill the gradients of the values, the locations and the attention weights."""
    inputs = [tensor.detach().requires_grad_() for tensor in (value, locations, attention)]
    with torch.enable_grad():
        output = ms_deform_attn_forward(inputs[0], spatial_shapes, level_start, inputs[1], inputs[2], im2col_step=im2col_step)
    gradients = torch.autograd.grad(output, inputs, grad_output)
    for target, gradient in zip((grad_value, grad_locations, grad_attention), gradients, strict=True):
        target.copy_(gradient)
