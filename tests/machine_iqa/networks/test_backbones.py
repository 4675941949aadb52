"""The five backbones: structure, views, and checkpoints of the published form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import efficientnet_b1, resnet18

from machine_iqa.networks.base import Output
from machine_iqa.networks.pretrained import load_checkpoint
from machine_iqa.networks.registry import create_network
from miqd_builder.errors import ConfigError
from tests.machine_iqa.pictures import picture

ONE = [Output("cls", "composite")]
HEADS = {
    "resnet18": ("fc.weight", 512),
    "resnet50": ("fc.weight", 2048),
    "efficientnet_b1": ("classifier.weight", 1280),
    "efficientnet_b5": ("classifier.weight", 2048),
    "vit_small_patch16_224": ("head.weight", 384),
}


@pytest.mark.parametrize("name", HEADS)
def test_one_linear_layer_in_place_of_the_classifier(name: str) -> None:
    network = create_network(name, [*ONE, Output("det", "accuracy")]).eval()
    key, width = HEADS[name]
    assert network.published().state_dict()[key].shape == (2, width)
    last = list(network.modules())[-1]
    assert isinstance(last, nn.Linear) or name.startswith("vit")
    assert not [module for module in network.modules() if isinstance(module, nn.Dropout) and module.p > 0]
    with torch.inference_mode():
        found = network({"crop": network.views(picture())["crop"][None]})
    assert found.scores.shape == (1, 2) and found.mask is None


def test_inputs_have_the_values_that_the_backbones_were_trained_on() -> None:
    white = np.full((300, 300, 3), 255, np.uint8)
    assert create_network("vit_small_patch16_224", ONE).views(white)["crop"].max() == 1
    of_resnet = create_network("resnet18", ONE).views(white)["crop"].amax((1, 2))
    torch.testing.assert_close(of_resnet, (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225]))


@pytest.mark.parametrize("prefix", ["", "module.", "module.backbone."])
@pytest.mark.parametrize(("name", "head"), [("resnet18", "fc."), ("efficientnet_b1", "classifier.1.")])
def test_a_published_checkpoint_loads(tmp_path: Path, name: str, head: str, prefix: str) -> None:
    trained = create_network(name, ONE).published().state_dict()
    own_head = {"resnet18": "fc.", "efficientnet_b1": "classifier."}[name]
    state = {prefix + key.replace(own_head, head): tensor for key, tensor in trained.items()}
    torch.save({"epoch": 5, "state_dict": state}, tmp_path / "a.pth.tar")
    network = create_network(name, ONE)
    load_checkpoint(network, tmp_path / "a.pth.tar")
    for key, tensor in network.published().state_dict().items():
        assert torch.equal(tensor, trained[key])


@pytest.mark.parametrize(("name", "build"), [("resnet18", resnet18), ("efficientnet_b1", efficientnet_b1)])
def test_pretrained_weights_without_their_classifier(tmp_path: Path, name: str, build: type) -> None:
    torch.save(build().state_dict(), tmp_path / "imagenet.pth")
    network = create_network(name, ONE, backbone=tmp_path / "imagenet.pth")
    saved = torch.load(tmp_path / "imagenet.pth", weights_only=True)
    features = [key for key in network.published().state_dict() if not key.startswith(("fc.", "classifier."))]
    assert all(torch.equal(network.published().state_dict()[key], saved[key]) for key in features)


def test_a_checkpoint_of_another_architecture_is_refused_in_one_line(tmp_path: Path) -> None:
    torch.save({"state_dict": create_network("resnet18", ONE).published().state_dict()}, tmp_path / "r18.pth.tar")
    network = create_network("resnet50", ONE)
    before = network.published().state_dict()["conv1.weight"].clone()
    with pytest.raises(ConfigError, match=r"of another architecture than ResNet: \d+ missing tensors \(") as refused:
        load_checkpoint(network, tmp_path / "r18.pth.tar")
    assert "\n" not in str(refused.value)
    assert torch.equal(before, network.published().state_dict()["conv1.weight"])
    two = create_network("resnet18", [*ONE, *ONE])
    with pytest.raises(ConfigError, match=r"fc.weight has shape \[1, 512\] in the file and \[2, 512\] in the network"):
        load_checkpoint(two, tmp_path / "r18.pth.tar")


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not found"):
        create_network("resnet18", ONE, backbone=tmp_path / "nothing.pth")
    (tmp_path / "half.pth").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(ConfigError, match="damaged"):
        create_network("resnet18", ONE, backbone=tmp_path / "half.pth")
