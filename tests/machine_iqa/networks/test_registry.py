"""Networks by name."""

from __future__ import annotations

import pytest

from machine_iqa.networks.base import Output
from machine_iqa.networks.registry import create_network, list_networks
from miqd_builder.errors import ConfigError

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
