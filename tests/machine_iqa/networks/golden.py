"""The published RA-MIQA filled by rule: its tensors, its inputs and the four scores that it gives."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("ra_miqa_golden.json").read_text("utf-8"))
_ONES = ("norm1.weight", "norm2.weight", "norm.weight", "ln1.weight", "ln2.weight")


def _draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    seed = zlib.crc32((GOLDEN["salt"] + name).encode())
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape)


def golden_state() -> dict[str, Tensor]:
    """The state dict of the rule."""
    state = {
        name: torch.from_numpy((_draw(name, shape) * 0.05).astype(np.float32)) for name, shape in GOLDEN["state_dict"].items()
    }
    for name, tensor in state.items():
        tensor += float(name.endswith(_ONES) or name == "mask_projector.1.weight")
    return state


def golden_views() -> dict[str, Tensor]:
    """The four inputs of the rule."""
    shapes = {"crop": ("input224", (4, 3, 224, 224)), "whole": ("input288", (4, 3, 288, 288))}
    return {view: torch.from_numpy(_draw(name, shape).astype(np.float32)) for view, (name, shape) in shapes.items()}
