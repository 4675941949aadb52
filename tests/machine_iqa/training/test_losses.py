"""Terms of the loss, the schedule and the groups of parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from torch import nan, tensor

from machine_iqa.networks.base import Output, Prediction
from machine_iqa.training import losses
from machine_iqa.training.config import Losses, load_config
from machine_iqa.training.module import QualityModule, learning_rate_share, parameter_groups
from miqd_builder.errors import ConfigError
from tests.machine_iqa.labelled_demo import TinyNetwork

TARGETS = tensor([[0.1, nan], [0.5, 0.2], [0.9, 0.8], [0.3, nan]])
SCORES = tensor([[0.2, 0.3], [0.4, 0.9], [0.7, 0.1], [0.6, 0.5]])


@pytest.mark.parametrize("term", [losses.mse, losses.huber, losses.ranking, losses.plcc])
def test_missing_labels_play_no_role(term: object) -> None:
    other = SCORES.clone()
    other[[0, 3], 1] = tensor([7.0, -9.0])
    assert callable(term) and torch.equal(term(SCORES, TARGETS), term(other, TARGETS))
    nothing = term(SCORES, torch.full_like(TARGETS, nan))
    assert nothing.item() == 0


def test_terms_against_other_implementations() -> None:
    known = ~TARGETS.isnan()
    x, y = SCORES[known], TARGETS[known]
    assert losses.mse(SCORES, TARGETS).item() == pytest.approx(float(((x - y) ** 2).mean()))
    assert losses.huber(SCORES, TARGETS).item() == pytest.approx(float(torch.nn.HuberLoss(delta=0.1)(x, y)))
    assert losses.plcc(SCORES, TARGETS).item() == pytest.approx(1 - pearsonr(SCORES[:, 0], TARGETS[:, 0]).statistic, abs=1e-5)


def test_ranking_falls_as_pairs_come_into_order() -> None:
    targets = tensor([[0.0], [0.02], [1.0]])
    right, wrong = losses.ranking(targets, targets), losses.ranking(1 - targets, targets)
    assert 0 < right < 0.01 < 10 < wrong
    assert losses.ranking(tensor([[5.0], [0.0]]), tensor([[0.0], [0.02]])) == 0


def test_masks_are_compared_where_there_are_some() -> None:
    masks = torch.zeros(2, 1, 8, 8)
    masks[0, :, :4], masks[1] = 1, nan
    logits = torch.full((2, 1, 2, 2), -20.0)
    logits[0, :, 0] = 20
    assert losses.mask_cross_entropy(logits, masks) < 1e-6 < 10 < losses.mask_cross_entropy(-logits, masks)


def test_damage_is_the_distortion_and_two_severities() -> None:
    logits, severities = tensor([[0.5, -1.0, 2.0], [3.0, 0.0, 0.0]]), tensor([[0.2, 0.4], [0.6, 0.6]])
    predicted = torch.cat([logits, severities], 1)
    done = tensor([[2.0, 0.4, 1.0], [nan, nan, nan]])  # the second is of a distortion that isn't the database's
    which = -np.log(np.exp(2.0) / np.exp([0.5, -1.0, 2.0]).sum())
    assert losses.damage_loss(predicted, done).item() == pytest.approx(which + 5 * (0.2**2 + 0.6**2) / 2, rel=1e-5)
    assert losses.damage_loss(predicted, torch.full((2, 3), nan)).item() == 0


def test_the_sum_is_weighted_and_reaches_every_parameter() -> None:
    mask = torch.zeros(4, 1, 2, 2, requires_grad=True)
    terms = losses.training_loss(Prediction(SCORES, mask), TARGETS, None, Losses(mse=2, huber=0.5))
    assert set(terms) == {"mse", "huber", "loss"}
    assert terms["loss"].item() == pytest.approx(2 * terms["mse"].item() + 0.5 * terms["huber"].item())
    terms["loss"].backward()
    assert mask.grad is not None


def test_the_schedule_warms_up_and_falls_to_its_least() -> None:
    shares = [learning_rate_share(step, total=100, warmup=20, least=0.1) for step in range(101)]
    assert shares[:20] == sorted(shares[:20]) and max(shares) == shares[20] == 1
    assert shares[20:] == sorted(shares[20:], reverse=True) and shares[100] == pytest.approx(0.1)


def test_biases_and_norms_do_not_decay_and_the_backbone_is_slower() -> None:
    network = TinyNetwork((Output("cls", "composite"),))
    config = load_config(fields={"name": "x", "network": "tiny", "backbone_learning_rate": 0.1, "weight_decay": 0.5})
    rates = {}
    for group in parameter_groups(network, config):
        rates |= {id(parameter): (group["lr"], group["weight_decay"]) for parameter in group["params"]}
    assert len(rates) == len(list(network.parameters()))
    assert rates[id(network.backbone[0].weight)] == (pytest.approx(1e-5), 0.5)
    assert rates[id(network.backbone[1].weight)] == (pytest.approx(1e-5), 0)
    assert rates[id(network.head[1].weight)] == (1e-4, 0.5) and rates[id(network.head[1].bias)] == (1e-4, 0)
    network.backbone_modules = ()  # type: ignore[assignment]
    with pytest.raises(ConfigError, match="names no pretrained part"):
        QualityModule(network, config, 1)


def test_frozen_modules_keep_weights_and_statistics() -> None:
    network = TinyNetwork((Output("cls", "composite"),))
    config = load_config(fields={"name": "x", "network": "tiny", "frozen": ["backbone"]})
    module = QualityModule(network, config, 1).train()
    others = [*network.mask.parameters(), *network.head.parameters()]
    groups = list(parameter_groups(network, config))
    assert {id(parameter) for group in groups for parameter in group["params"]} == {id(parameter) for parameter in others}
    before = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    found = network({"image": torch.rand(4, 3, 32, 40)})
    (found.scores.sum() + found.mask.sum()).backward()
    torch.optim.SGD(groups, lr=0.1).step()
    assert module.training and all(parameter.grad is not None for parameter in others)
    assert all(torch.equal(before[name], value) for name, value in network.backbone.state_dict().items())


@pytest.mark.parametrize(
    ("frozen", "message"),
    [(["backbon"], "no module 'backbon'. Did you mean 'backbone'"), (["backbone", "mask", "head"], "nothing is left to learn")],
)
def test_what_cannot_be_frozen_is_named(frozen: list[str], message: str) -> None:
    config = load_config(fields={"name": "x", "network": "tiny", "frozen": frozen})
    with pytest.raises(ConfigError, match=message):
        QualityModule(TinyNetwork((Output("cls", "composite"),)), config, 1)
