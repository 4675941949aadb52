"""RA-MIQA computes what the published code computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from machine_iqa.networks.base import Output, QualityNetwork
from machine_iqa.networks.ra_miqa import RaMiqa
from machine_iqa.networks.region_encoder import from_timm
from tests.machine_iqa.networks.golden import GOLDEN, golden_state, golden_views
from tests.machine_iqa.pictures import picture

OUTPUTS = (Output("cls", "composite"),)


@pytest.fixture(scope="module")
def network() -> QualityNetwork:
    network = RaMiqa(OUTPUTS).eval()
    network.load_state_dict(golden_state())
    return network


def test_tensors_are_the_published_ones(network: QualityNetwork) -> None:
    assert {name: list(tensor.shape) for name, tensor in network.state_dict().items()} == GOLDEN["state_dict"]
    assert sum(p.numel() for p in network.parameters()) == GOLDEN["parameters"] == 43_851_649
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == GOLDEN["trainable_as_published"]


def test_scores_are_the_published_ones(network: QualityNetwork) -> None:
    with torch.inference_mode():
        scores = network(golden_views()).scores
    np.testing.assert_allclose(scores.squeeze(1).numpy(), GOLDEN["outputs"], atol=1e-4)


def test_the_frozen_branch_is_the_same_in_training(network: QualityNetwork) -> None:
    whole = golden_views()["whole"][:1, :, :32, :48]  # any size whose sides are multiples of 16
    with torch.inference_mode():
        before = network.mask_encoder(whole)
        network.train()
        after = network.mask_encoder(whole)
    network.eval()
    torch.testing.assert_close(before, after, rtol=0, atol=0)


def test_gradients_reach_all_but_the_frozen_branch(network: QualityNetwork) -> None:
    views = {name: view[:1] for name, view in golden_views().items()}
    network(views).scores.sum().backward()
    without = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is None}
    network.zero_grad(set_to_none=True)
    assert without == {"mask_encoder", "base_model"}  # of the backbone, its unused own position embedding
    assert network.base_model.blocks[0].attn.qkv.weight.requires_grad


def test_views_of_training_move_the_crop_only(network: QualityNetwork) -> None:
    image = picture(100, 160)
    fixed, moved = network.views(image), network.views(image, np.random.default_rng(1))
    assert fixed["crop"].shape == (3, 224, 224) and fixed["whole"].shape == (3, 288, 288)
    assert torch.equal(fixed["whole"], moved["whole"]) and not torch.equal(fixed["crop"], moved["crop"])
    assert torch.equal(moved["crop"], network.views(image, np.random.default_rng(1))["crop"])
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    same_pixels = ((fixed["whole"] * std + mean) - 0.5) / 0.5
    torch.testing.assert_close(same_pixels[:, 32:256, 32:256], fixed["crop"], atol=1e-5, rtol=0)


def test_pretrained_names_of_timm_become_the_frozen_branch_s(network: QualityNetwork) -> None:
    timm_state = {**network.base_model.state_dict(), "head.weight": torch.zeros(1000, 384)}
    assert set(from_timm(timm_state)) == set(network.mask_encoder.state_dict())
