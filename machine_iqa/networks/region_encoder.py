"""The frozen ViT-S/16 of RA-MIQA: a description of the whole picture, which the region token is made from.

Its tensors have the names of the published checkpoints, which come from mmsegmentation's VisionTransformer.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, HEADS, DEPTH, PATCH, GRID = 384, 6, 12, 16, 14
EPSILON = 1e-6


class RegionEncoder(nn.Module):
    """ViT-S/16 without dropout or stochastic depth, so that it computes the same in training as in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.randn(1, GRID * GRID + 1, WIDTH) * 0.02)
        self.patch_embed = nn.ModuleDict({"projection": nn.Conv2d(3, WIDTH, PATCH, PATCH)})
        self.layers = nn.ModuleList(_Layer() for _ in range(DEPTH))
        self.ln1 = nn.LayerNorm(WIDTH, eps=EPSILON)

    def forward(self, image: Tensor) -> Tensor:
        """Return the mean of the patch tokens, ``(N, 384)``, of images ``(N, 3, height, width)``; sides multiples of 16."""
        patches = self.patch_embed["projection"](image)
        tokens = patches.flatten(2).transpose(1, 2) + self._positions(patches.shape[2], patches.shape[3])
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(image.shape[0], -1, -1)
        tokens = torch.cat([cls, tokens], 1)
        for layer in self.layers:
            tokens = layer(tokens)
        means: Tensor = self.ln1(tokens)[:, 1:].mean(1)
        return means

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Return the position embeddings of a grid of patches, ``(1, rows * columns, 384)``."""
        grid = self.pos_embed[:, 1:].transpose(1, 2).reshape(1, WIDTH, GRID, GRID)
        grid = F.interpolate(grid, size=(rows, columns), mode="bicubic", align_corners=False)
        return grid.flatten(2).transpose(1, 2)


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.attn = nn.ModuleDict({"attn": _Attention()})
        self.ln2 = nn.LayerNorm(WIDTH, eps=EPSILON)
        hidden = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU())
        self.ffn = nn.ModuleDict({"layers": nn.Sequential(hidden, nn.Linear(4 * WIDTH, WIDTH))})

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn["attn"](self.ln1(tokens))
        after: Tensor = tokens + self.ffn["layers"](self.ln2(tokens))
        return after


class _Attention(nn.Module):
    """Multi-head self-attention with the parameters of ``nn.MultiheadAttention``, in operations that ONNX has."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.randn(3 * WIDTH, WIDTH) * 0.02)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * WIDTH))
        self.out_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        n, length, _ = tokens.shape
        packed = F.linear(tokens, self.in_proj_weight, self.in_proj_bias)
        query, key, value = packed.reshape(n, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        projected: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(n, length, WIDTH))
        return projected


_RENAMED = (
    (r"^patch_embed\.proj\.", "patch_embed.projection."),
    (r"^norm\.", "ln1."),
    (r"^blocks\.(\d+)\.norm([12])\.", r"layers.\1.ln\2."),
    (r"^blocks\.(\d+)\.attn\.qkv\.", r"layers.\1.attn.attn.in_proj_"),
    (r"^blocks\.(\d+)\.attn\.proj\.", r"layers.\1.attn.attn.out_proj."),
    (r"^blocks\.(\d+)\.mlp\.fc1\.", r"layers.\1.ffn.layers.0.0."),
    (r"^blocks\.(\d+)\.mlp\.fc2\.", r"layers.\1.ffn.layers.1."),
)


def from_timm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a timm or DINO ViT-S/16 under the names of this encoder, without those of a classifier."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        for pattern, replacement in _RENAMED:
            name = re.sub(pattern, replacement, name)
        if not name.startswith(("head.", "fc_norm.")):
            renamed[name] = tensor
    return renamed
