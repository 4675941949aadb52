"""YOLOX-nano as miqa-small uses it: where a detector sees objects, and of which classes. Boxes are left out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

WIDTHS = (16, 32, 64, 128, 256)
"""Channels at strides 2, 4, 8, 16 and 32."""
BLOCKS = (1, 3, 3, 1)
"""Bottlenecks of the stages at strides 4, 8, 16 and 32."""
POOLS = (5, 9, 13)
FEATURES, CLASSES = 64, 80
LEVELS = 3
"""Strides at which it looks for objects: 8, 16 and 32."""
FIRST = "backbone.stem.conv.weight"
NORM_EPS = 1e-3
"""Of the BatchNorms in mmdet's checkpoints."""


class YoloxNano(nn.Module):
    """YOLOX-nano (Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv 2107.08430) without BatchNorm and boxes.

    Modules have the names that they have in mmdet, so that its checkpoints fit after :func:`from_mmdet`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.neck, self.bbox_head = _Backbone(), _Neck(), _Head()

    def forward(self, image: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return logits of the 80 classes ``(N, 80, h, w)`` and of objects ``(N, 1, h, w)`` at strides 8, 16 and 32.

        Args:
            image: BGR, values 0 to 1, ``(N, 3, height, width)``, both sides multiples of 32.
        """
        found: list[tuple[Tensor, Tensor]] = self.bbox_head(self.neck(self.backbone(image)))
        return found


def from_mmdet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of an mmdet checkpoint with BatchNorm folded into the convolutions, without those for boxes.

    Its pixels go from 0 to 255, ours to 1: a kernel 255 times as large learns at a rate of the others'.
    """
    found = {name: tensor.float() for name, tensor in state.items() if "_conv_cls." in name or "_conv_obj." in name}
    for name in state:
        if name.endswith(".bn.weight"):
            stem = name.removesuffix(".bn.weight")
            norm = [state.get(f"{stem}.bn.{part}") for part in ("running_mean", "running_var", "weight", "bias")]
            kernel = state.get(f"{stem}.conv.weight")
            if kernel is None or any(one is None for one in norm):
                continue  # the check of the names that follows tells what is missing
            mean, variance, scale, shift = (one.float() for one in norm if one is not None)
            weight, bias = fuse_conv_bn_weights(kernel.float(), None, mean, variance, NORM_EPS, scale, shift)
            found[f"{stem}.weight"], found[f"{stem}.bias"] = weight.detach(), bias.detach()
    if FIRST in found:
        found[FIRST] *= 255
    return found


class _Convolution(nn.Conv2d):
    """A convolution that keeps height and width, or halves them, and SiLU."""

    def __init__(self, inputs: int, outputs: int, side: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, side, stride, side // 2, groups=groups)

    def forward(self, values: Tensor) -> Tensor:
        return F.silu(super().forward(values))


class _Separable(nn.Sequential):
    """A 3x3 convolution of each channel, and one over channels."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise_conv = _Convolution(inputs, inputs, 3, stride, groups=inputs)
        self.pointwise_conv = _Convolution(inputs, outputs)


class _Bottleneck(nn.Module):
    def __init__(self, width: int, *, added: bool) -> None:
        super().__init__()
        self.conv1, self.conv2, self.added = _Convolution(width, width), _Separable(width, width), added

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = self.conv2(self.conv1(values))
        return found + values if self.added else found


class _Stage(nn.Module):
    """Half of the channels pass bottlenecks, half don't."""

    def __init__(self, inputs: int, outputs: int, blocks: int, *, added: bool = False) -> None:
        super().__init__()
        self.main_conv, self.short_conv = _Convolution(inputs, outputs // 2), _Convolution(inputs, outputs // 2)
        self.final_conv = _Convolution(outputs, outputs)
        self.blocks = nn.Sequential(*(_Bottleneck(outputs // 2, added=added) for _ in range(blocks)))

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = self.final_conv(torch.cat([self.blocks(self.main_conv(values)), self.short_conv(values)], 1))
        return found


class _Pyramid(nn.Module):
    """The largest values around each place, in three sizes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _Convolution(width, width // 2), _Convolution(width // 2 * (1 + len(POOLS)), width)

    def forward(self, values: Tensor) -> Tensor:
        narrow = self.conv1(values)
        found: Tensor = self.conv2(torch.cat([narrow, *(F.max_pool2d(narrow, side, 1, side // 2) for side in POOLS)], 1))
        return found


class _Stem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = _Convolution(12, WIDTHS[0], 3)

    def forward(self, image: Tensor) -> Tensor:
        """Take each square of 2x2 pixels as one place with 12 channels."""
        corners = [image[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
        found: Tensor = self.conv(torch.cat(corners, 1))
        return found


class _Backbone(nn.Module):
    """CSPDarknet; returns features at strides 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Stem()
        for place, ((inputs, outputs), blocks) in enumerate(zip(pairwise(WIDTHS), BLOCKS, strict=True), 1):
            last = place == len(BLOCKS)
            steps: list[nn.Module] = [_Separable(inputs, outputs, 2), *([_Pyramid(outputs)] if last else [])]
            self.add_module(f"stage{place}", nn.Sequential(*steps, _Stage(outputs, outputs, blocks, added=not last)))

    def forward(self, image: Tensor) -> list[Tensor]:
        values, found = self.stem(image), []
        for place in range(1, len(BLOCKS) + 1):
            values = self.get_submodule(f"stage{place}")(values)
            found.append(values)
        return found[-LEVELS:]


class _Neck(nn.Module):
    """Joins the three levels on a way up and a way down; returns 64 features of each."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = WIDTHS[-LEVELS:]
        self.reduce_layers = nn.ModuleList([_Convolution(coarse, middle), _Convolution(middle, fine)])
        self.top_down_blocks = nn.ModuleList([_Stage(2 * middle, middle, 1), _Stage(2 * fine, fine, 1)])
        self.downsamples = nn.ModuleList([_Separable(fine, fine, 2), _Separable(middle, middle, 2)])
        self.bottom_up_blocks = nn.ModuleList([_Stage(2 * fine, middle, 1), _Stage(2 * middle, coarse, 1)])
        self.out_convs = nn.ModuleList([_Convolution(width, FEATURES) for width in (fine, middle, coarse)])

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        fine, middle, coarse = levels
        coarse = self.reduce_layers[0](coarse)
        middle = self.reduce_layers[1](self.top_down_blocks[0](torch.cat([_larger(coarse), middle], 1)))
        fine = self.top_down_blocks[1](torch.cat([_larger(middle), fine], 1))
        middle = self.bottom_up_blocks[0](torch.cat([self.downsamples[0](fine), middle], 1))
        coarse = self.bottom_up_blocks[1](torch.cat([self.downsamples[1](middle), coarse], 1))
        return [conv(values) for conv, values in zip(self.out_convs, (fine, middle, coarse), strict=True)]


class _Head(nn.Module):
    """Logits of classes and of objects at every place of each level."""

    def __init__(self) -> None:
        super().__init__()
        self.multi_level_cls_convs, self.multi_level_reg_convs = _two_convolutions(), _two_convolutions()
        self.multi_level_conv_cls = nn.ModuleList([nn.Conv2d(FEATURES, CLASSES, 1) for _ in range(LEVELS)])
        self.multi_level_conv_obj = nn.ModuleList([nn.Conv2d(FEATURES, 1, 1) for _ in range(LEVELS)])

    def forward(self, levels: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        found = []
        for place, values in enumerate(levels):
            classes = self.multi_level_conv_cls[place](self.multi_level_cls_convs[place](values))
            found.append((classes, self.multi_level_conv_obj[place](self.multi_level_reg_convs[place](values))))
        return found


def _two_convolutions() -> nn.ModuleList:
    pairs = [(_Separable(FEATURES, FEATURES), _Separable(FEATURES, FEATURES)) for _ in range(LEVELS)]
    return nn.ModuleList([nn.Sequential(*pair) for pair in pairs])


def _larger(values: Tensor) -> Tensor:
    return F.interpolate(values, scale_factor=2.0)
