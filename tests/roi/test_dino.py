"""ROI masks by DINO's self-attention, on a transformer with random weights that the test writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import erf

from miqd_builder.config import RoiConfig
from miqd_builder.errors import ConfigError
from miqd_builder.roi import check_roi, roi_hash, roi_mask
from miqd_builder.roi import self_attention as dino
from miqd_builder.sources import SourceImage, SourceSet
from tests.conftest import DataSet, write_run

HEADS, BLOCKS, TOKEN = 6, 12, 384


def write_weights(file: Path, seed: int = 0) -> Path:
    """A DINO ViT-S/16 with random weights, large enough for an uneven attention."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    network = timm.create_model("vit_small_patch16_224.dino", pretrained=False, num_classes=0)
    save_file({name: (12 * tensor if ".qkv.weight" in name else tensor) for name, tensor in network.state_dict().items()}, file)
    return file


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("dino") / "dino.safetensors")


@pytest.fixture(autouse=True)
def _few_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 patches instead of 900: the same way in a tenth of the time."""
    monkeypatch.setattr(dino, "AREA", 160 * 160)


@pytest.fixture
def config(weights: Path) -> RoiConfig:
    return RoiConfig(kind="dino", path=weights)


def source(image: np.ndarray) -> SourceImage:
    return SourceImage("a", Path("a.png"))


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def layer_norm(x: np.ndarray, state: dict[str, np.ndarray], name: str) -> np.ndarray:
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return x * state[f"{name}.weight"] + state[f"{name}.bias"]


def linear(x: np.ndarray, state: dict[str, np.ndarray], name: str) -> np.ndarray:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def attend(x: np.ndarray, state: dict[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Attention ``(heads, tokens, tokens)`` and what the block adds to its tokens."""
    q, k, v = linear(x, state, f"{name}.qkv").reshape(len(x), 3, HEADS, TOKEN // HEADS).transpose(1, 2, 0, 3)
    logits = q @ k.transpose(0, 2, 1) / np.sqrt(TOKEN // HEADS)
    probabilities = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities /= probabilities.sum(-1, keepdims=True)
    mixed = (probabilities @ v).transpose(1, 0, 2).reshape(len(x), TOKEN)
    return probabilities, linear(mixed, state, f"{name}.proj")


def attention_of_the_last_block(image: np.ndarray, file: Path) -> np.ndarray:
    """The transformer in plain NumPy, for an image of 224x224 pixels."""
    from safetensors.numpy import load_file

    state = {name: tensor.astype(np.float64) for name, tensor in load_file(file).items()}
    pixels = (image / 255 - np.array(dino.MEAN)) / np.array(dino.STD)
    patches = pixels.reshape(14, 16, 14, 16, 3).transpose(0, 2, 4, 1, 3).reshape(196, -1)
    kernel = state["patch_embed.proj.weight"].reshape(TOKEN, -1)
    tokens = np.concatenate([state["cls_token"][0], patches @ kernel.T + state["patch_embed.proj.bias"]])
    tokens = tokens + state["pos_embed"][0]
    for index in range(BLOCKS):
        name = f"blocks.{index}"
        probabilities, added = attend(layer_norm(tokens, state, f"{name}.norm1"), state, f"{name}.attn")
        tokens = tokens + added
        hidden = linear(layer_norm(tokens, state, f"{name}.norm2"), state, f"{name}.mlp.fc1")
        tokens = tokens + linear(hidden * (1 + erf(hidden / np.sqrt(2))) / 2, state, f"{name}.mlp.fc2")
    return probabilities[:, 0, 1:].mean(axis=0).reshape(14, 14)


def test_attention_equals_that_of_a_transformer_in_numpy(
    weights: Path, config: RoiConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dino, "AREA", 224 * 224)
    image = picture(224, 224)
    expected = attention_of_the_last_block(image, weights)
    assert expected.max() > 3 * expected.min()
    found = dino.attention(dino._network(weights, ""), image)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    mask = roi_mask(config, source(image), image)
    blocks = mask.reshape(14, 16, 14, 16)
    assert (blocks == blocks[:, :1, :, :1]).all()  # whole patches
    np.testing.assert_array_equal(blocks[:, 0, :, 0] == 255, dino.keep_mass(expected, 0.6))


@pytest.mark.parametrize("seed", range(5))
def test_the_fewest_patches_that_hold_the_mass_are_kept(seed: int) -> None:
    values = np.random.default_rng(seed).random((6, 7)) ** 4
    kept = dino.keep_mass(values, 0.6)
    assert values[kept].sum() >= 0.6 * values.sum() > values[kept].sum() - values[kept].min()
    assert values[kept].min() >= values[~kept].max()


def test_masks_do_not_depend_on_threads_or_on_other_images(config: RoiConfig) -> None:
    import torch

    threads = torch.get_num_threads()
    image, other = picture(90, 130), picture(60, 60)
    masks = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            masks += [roi_mask(config, source(i), i) for i in (image, other, image)]
    finally:
        torch.set_num_threads(threads)
    assert masks[0].shape == (90, 130) and set(np.unique(masks[0])) == {0, 255}
    for mask in (masks[2], masks[3], masks[5]):
        np.testing.assert_array_equal(mask, masks[0])


@pytest.mark.parametrize("shape", [(1, 1), (2, 300)])
def test_any_size(config: RoiConfig, shape: tuple[int, int]) -> None:
    mask = roi_mask(config, source(picture(*shape)), picture(*shape))
    assert mask.shape == shape and set(np.unique(mask)) <= {0, 255}


def test_the_grid_keeps_the_aspect_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dino, "AREA", 480 * 480)
    assert dino.grid_size(480, 480, 16) == (30, 30)
    assert dino.grid_size(300, 600, 8) == (42, 85)
    assert dino.grid_size(1, 5000, 16)[0] == 1


def test_the_content_hash_follows_the_weights(weights: Path, config: RoiConfig, tmp_path: Path) -> None:
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(weights.read_bytes())
    other = write_weights(tmp_path / "other.safetensors", seed=1)
    prints = [roi_hash(RoiConfig(kind="dino", path=file), source(picture(8, 8))) for file in (weights, moved, other)]
    assert prints[0] == prints[1] != prints[2] and prints[0].startswith("dino 1 ")


def test_missing_weights_say_where_they_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIQD_CACHE", str(tmp_path))
    sources = SourceSet(())
    with pytest.raises(ConfigError) as error:
        check_roi(RoiConfig(kind="dino"), sources)
    text = str(error.value)
    place = tmp_path / "checkpoints/hub/timm--vit_small_patch16_224.dino/main/model.safetensors"
    assert (
        "miqd zoo fetch roi_dino" in text
        and f"/timm/vit_small_patch16_224.dino/resolve/main/model.safetensors to {place}" in text
    )
    with pytest.raises(ConfigError, match=r"roi\.path '.*nowhere' is no file\. Give the weights .* miqd zoo fetch roi_dino"):
        check_roi(RoiConfig(kind="dino", path=tmp_path / "nowhere"), sources)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    import torch

    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "resnet.pth")
    with pytest.raises(ConfigError, match=r"resnet\.pth is no DINO vision transformer's"):
        roi_mask(RoiConfig(kind="dino", path=tmp_path / "resnet.pth"), source(picture(8, 8)), picture(8, 8))
    torch.save({"patch_embed.proj.weight": torch.zeros(384, 3, 16, 16)}, tmp_path / "torso.pth")
    with pytest.raises(ConfigError, match=r"torso\.pth does not fit model 'vit_small_patch16_224\.dino': \d+ missing keys"):
        roi_mask(RoiConfig(kind="dino", path=tmp_path / "torso.pth"), source(picture(8, 8)), picture(8, 8))


def test_a_run_with_dino_masks(miqd, data: DataSet, zoo: Path, weights: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, data, zoo, roi={"kind": "dino", "path": str(weights)}, degradations=["darkness_*"])
    missing = miqd("degrade", "--run", run, "--set", f"roi.path={tmp_path / 'absent'}")
    assert missing.code == 1 and "Error: roi.kind 'dino'" in missing.err and not (tmp_path / "out").exists()
    result = miqd("degrade", "--run", run, "--limit", 1)
    assert result.code == 0 and "ROI mask" not in result.out
    assert len(list((tmp_path / "out/images/scene_0").glob("*_fg_stronger_*.png"))) == 10
