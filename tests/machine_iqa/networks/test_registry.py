"""Networks by name."""

from __future__ import annotations

import pytest
import torch

from machine_iqa.networks.base import Output
from machine_iqa.networks.registry import create_network, list_networks
from machine_iqa.training.config import load_config
from machine_iqa.training.module import QualityModule
from miqd_builder.errors import ConfigError
from tests.machine_iqa.pictures import picture

OUTPUT = Output("cls", "composite")


def test_names() -> None:
    assert "ra-miqa" in list_networks()
    assert list_networks("ra-*") == ["ra-miqa"] and list_networks("nothing") == []


def test_unknown_names_name_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"Unknown network 'ra_miqa'.*Did you mean 'ra-miqa'"):
        create_network("ra_miqa", [OUTPUT])
    with pytest.raises(ConfigError, match=r"no option 'backbon': expected one of backbone.*Did you mean 'backbone'"):
        create_network("ra-miqa", [OUTPUT], backbon="x")
    with pytest.raises(ConfigError, match="one or more outputs"):
        create_network("ra-miqa", [])


@pytest.mark.parametrize("name", list_networks())
def test_everything_that_learns_has_a_gradient(name: str) -> None:
    """Several training processes wait for the gradient of every parameter that learns."""
    fields = {"name": "x", "network": name, "runs": ["x"]}
    network = create_network(name, [OUTPUT])
    module = QualityModule(network, load_config(fields=fields), 1).train()
    views = [network.views(picture(seed=seed)) for seed in (1, 2)]
    found = module.network({view: torch.stack([one[view] for one in views]) for view in views[0]})
    loss = sum(part.sum() for part in (found.scores, found.mask, found.damage) if part is not None)
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    assert [key for key, parameter in network.named_parameters() if parameter.requires_grad and parameter.grad is None] == []
