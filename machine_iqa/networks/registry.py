"""The quality networks by name: those that ship, and those that installed packages announce."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from miqd_builder.errors import ConfigError, MiqdError, did_you_mean
from miqd_builder.registry import Registry

if TYPE_CHECKING:
    from machine_iqa.networks.base import Output, QualityNetwork

NETWORKS: Registry[Callable[..., QualityNetwork]] = Registry(
    "network",
    "miqa.networks",
    {
        "miqa-small": "machine_iqa.networks.miqa_small:MiqaSmall",
        "ra-miqa": "machine_iqa.networks.ra_miqa:RaMiqa",
        "resnet18": "machine_iqa.networks.backbones:resnet18",
        "resnet50": "machine_iqa.networks.backbones:resnet50",
        "efficientnet_b1": "machine_iqa.networks.backbones:efficientnet_b1",
        "efficientnet_b5": "machine_iqa.networks.backbones:efficientnet_b5",
        "vit_small_patch16_224": "machine_iqa.networks.backbones:vit_small_patch16_224",
    },
)
"""Networks by name: functions or classes that take ``outputs`` and keyword options. A package adds one with an entry point."""


def list_networks(pattern: str = "*") -> list[str]:
    """Return the names that fit a pattern, in the registry's order.

    >>> list_networks("ra*")
    ['ra-miqa']
    """
    return [name for name in NETWORKS.names() if fnmatchcase(name, pattern)]


def create_network(name: str, outputs: Sequence[Output], **options: Any) -> QualityNetwork:
    """Build a network with random weights, or with those of the files that its options name.

    Args:
        name: of the network, see :func:`list_networks`.
        outputs: what the columns of its scores are to be; one or more.
        options: of this network, such as ``backbone``, a file of pretrained weights; its class documents them.

    Raises:
        ConfigError: the network or an option is unknown (names the nearest), there are no outputs, or a file doesn't fit.
    """
    build = NETWORKS[name]
    if not outputs:
        raise ConfigError(f"Network '{name}' needs one or more outputs, got none.")
    known = [option for option in inspect.signature(build).parameters if option != "outputs"]
    for option in options:
        if option not in known:
            expected = f"expected one of {', '.join(known)}." if known else "it has none."
            raise ConfigError(f"Network '{name}' has no option '{option}': {expected}{did_you_mean(option, known)}")
    try:
        return build(tuple(outputs), **options)
    except MiqdError:
        raise
    except Exception as error:  # values of options come from files, and a constructor stumbles on wrong ones anywhere
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"Network '{name}' can't be built with {_shown(options)} ({reason}).") from error


def _shown(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={str(value)[:40]}" for name, value in options.items()) or "these outputs"
