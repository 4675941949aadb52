"""Deformable convolution with the arguments of mmcv's extension, on ``torchvision.ops.deform_conv2d``.

Version 1 (Dai et al., 2017, arXiv 1703.06211) shifts each tap of the kernel by a learned offset; version 2, "modulated" (Zhu et
al., 2019, arXiv 1811.11168), also weighs it by a mask. Offsets are ``(batch, 2 * deform_groups * kh * kw, out_h, out_w)``, y
before x, in both libraries; groups follow from the shapes. The buffers that mmcv hands over for its columns stay untouched.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import deform_conv2d


def deform_conv_forward(
    features: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    *,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Fill ``output`` ``(batch, out_channels, out_h, out_w)`` with the deformable convolution, version 1."""
    geometry = _geometry(dH, dW, padH, padW, dilationH, dilationW)
    output.copy_(deform_conv2d(features, offset, weight, **geometry))


def deform_conv_backward_input(
    features: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    *,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Fill the gradients of the features and of the offsets of version 1."""
    geometry = _geometry(dH, dW, padH, padW, dilationH, dilationW)
    features, offset = _leaf(features), _leaf(offset)
    with torch.enable_grad():
        output = deform_conv2d(features, offset, weight.detach(), **geometry)
    _fill([grad_input, grad_offset], torch.autograd.grad(output, [features, offset], grad_output))


def deform_conv_backward_parameters(
    features: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    *,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Fill the gradient of the kernel of version 1, times ``scale``."""
    geometry = _geometry(dH, dW, padH, padW, dilationH, dilationW)
    channels = features.shape[1] // group
    weight = grad_weight.new_zeros((grad_weight.shape[0], channels, kH, kW), requires_grad=True)
    with torch.enable_grad():
        # The convolution is linear in its kernel, so the gradient can be taken at zero.
        output = deform_conv2d(features.detach(), offset.detach(), weight, **geometry)
    grad_weight.copy_(torch.autograd.grad(output, weight, grad_output)[0] * scale)


def modulated_deform_conv_forward(
    features: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    *,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Fill ``output`` ``(batch, out_channels, out_h, out_w)`` with the deformable convolution, version 2."""
    geometry = _geometry(stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w)
    result = deform_conv2d(features, offset, weight, bias if with_bias else None, mask=mask, **geometry)
    output.copy_(result)


def modulated_deform_conv_backward(
    features: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    *,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Fill the gradients of features, kernel, offsets, mask and (with a bias) bias of version 2."""
    geometry = _geometry(stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w)
    inputs = [_leaf(t) for t in (features, offset, weight, mask)]
    with torch.enable_grad():
        output = deform_conv2d(inputs[0], inputs[1], inputs[2], mask=inputs[3], **geometry)
    _fill([grad_input, grad_offset, grad_weight, grad_mask], torch.autograd.grad(output, inputs, grad_output))
    if with_bias:
        grad_bias.copy_(grad_output.sum(dim=(0, 2, 3)))


def _geometry(
    stride_h: int, stride_w: int, pad_h: int, pad_w: int, dilation_h: int, dilation_w: int
) -> dict[str, tuple[int, int]]:
    return {"stride": (stride_h, stride_w), "padding": (pad_h, pad_w), "dilation": (dilation_h, dilation_w)}


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_()


def _fill(targets: list[Tensor], values: tuple[Tensor, ...]) -> None:
    for target, value in zip(targets, values, strict=True):
        target.copy_(value)
