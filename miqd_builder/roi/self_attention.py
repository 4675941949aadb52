"""Region of interest by the self-attention of a DINO vision transformer (Caron et al., ICCV 2021), through timm."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import functional

from miqd_builder.errors import ConfigError
from miqd_builder.zoo.entry import Checkpoint, ModelEntry
from miqd_builder.zoo.weights.cache import file_sha256, verified_file
from miqd_builder.zoo.weights.checkpoint import read_state_dict
from miqd_builder.zoo.weights.loading import load_weights

MASS = 0.6
"""Share of the attention that the region holds, as in DINO's own visualisation."""
AREA = 480 * 480
"""Pixels in the network: as many as in DINO's visualisation, here with the image's own aspect ratio."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES, PATCHES = {384: "small", 768: "base"}, (8, 16)
"""The published transformers by the length of their tokens, and the sides of their patches in pixels."""


def dino_mask(image: NDArray[np.uint8], weights: ModelEntry) -> NDArray[np.uint8]:
    """Return the region that a DINO transformer attends to, uint8 ``(height, width)`` of 0 and 255, in whole patches.

    Args:
        image: uint8 ``(height, width, 3)`` RGB.
        weights: names the checkpoint; its tensors determine which of the four published transformers it is.

    Raises:
        ConfigError: the weights are missing, other ones than expected, or no DINO transformer's.
    """
    import cv2

    file = verified_file(weights)
    network = _network(file, file_sha256(file))
    region = keep_mass(attention(network, image), MASS).astype(np.uint8) * 255
    height, width = image.shape[:2]
    return np.asarray(cv2.resize(region, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def attention(network: Any, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return how much the class token attends to each patch in the last block, the mean over its heads: ``(rows, columns)``.

    The heads attend to different parts of an object; their mean covers all of it. Computed in double precision, so that the
    last bits, which differ between machines and numbers of threads, move no patch across the threshold.
    """
    patch = network.patch_embed.patch_size[0]
    rows, columns = grid_size(image.shape[0], image.shape[1], patch)
    picture = functional.resize(Image.fromarray(image), [rows * patch, columns * patch], functional.InterpolationMode.BICUBIC)
    values = torch.from_numpy(np.array(picture)).permute(2, 0, 1).double().div(255)
    inputs = functional.normalize(values, list(MEAN), list(STD))[None]
    with torch.inference_mode():
        # All tokens on their way into the last block.
        (patches, prefix), *_ = network.forward_intermediates(
            inputs,
            indices=[len(network.blocks) - 2],
            norm=False,
            intermediates_only=True,
            return_prefix_tokens=True,
            output_fmt="NLC",
            stop_early=True,
        )
        block = network.blocks[-1]
        tokens = block.norm1(torch.cat([prefix, patches], dim=1))
        heads = block.attn.num_heads
        queries, keys, _ = block.attn.qkv(tokens).unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        weights = (queries[:, :, :1] @ keys.transpose(2, 3) * block.attn.scale).softmax(dim=3)
    of_patches = weights[0, :, 0, prefix.shape[1] :]
    return np.asarray(of_patches.mean(dim=0).reshape(rows, columns).numpy(), np.float64)


def keep_mass(values: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Return the largest values that together hold a share of the sum, bool of the same shape (of equal values, the later)."""
    order = np.argsort(values, axis=None, kind="stable")
    kept = np.zeros(values.size, bool)
    kept[order] = np.cumsum(values.ravel()[order]) > (1 - share) * values.sum()
    return kept.reshape(values.shape)


def grid_size(height: int, width: int, patch: int) -> tuple[int, int]:
    """Return the rows and columns of patches for an image of this size: about :data:`AREA` pixels of its aspect ratio."""
    scale = math.sqrt(AREA / (height * width)) / patch
    return max(1, round(height * scale)), max(1, round(width * scale))


@lru_cache(maxsize=1)
def _network(file: Path, sha256: str) -> Any:
    """Build the transformer that the checkpoint belongs to; one a process, built again when the file changes."""
    shape = tuple(getattr(read_state_dict(file).get("patch_embed.proj.weight"), "shape", ()))
    if len(shape) != 4 or shape[0] not in SIZES or shape[3] not in PATCHES:
        raise ConfigError(
            f"{file} is no DINO vision transformer's: expected weights of ViT-S or ViT-B with patches of 8 or 16 pixels, "
            "such as timm's vit_small_patch16_224.dino."
        )
    arch = f"vit_{SIZES[shape[0]]}_patch{shape[3]}_224.dino"
    network: Any = timm.create_model(arch, pretrained=False, num_classes=0, dynamic_img_size=True)
    load_weights(network, ModelEntry(name=arch, task="cls", backend="timm", arch=arch, checkpoint=Checkpoint(path=file)))
    return network.eval().double()
