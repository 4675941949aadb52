"""Pretrained weights into a part of a network, completely or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from machine_iqa.networks.base import QualityNetwork
from miqd_builder.errors import ConfigError
from miqd_builder.zoo.weights.checkpoint import StateDict, read_state_dict

WRAPPERS = ("module.", "_orig_mod.", "model.", "backbone.", "network.")
"""What training code puts before every key."""

CLASSIFIERS = ("head.", "classifier.", "fc.", "conv_head.", "bn2.", "fc_norm.")
"""Parts of a pretrained network that stand behind its features."""


def load_pretrained(
    part: nn.Module,
    file: str | Path,
    convert: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None,
    keep: tuple[str, ...] = (),
) -> None:
    """Load a backbone in place from a file of the whole pretrained network; half precision becomes the part's own precision.

    Args:
        part: the backbone, which may lack the classifier and whatever else follows the features.
        file: safetensors or a PyTorch checkpoint, which is read without running any code of it.
        convert: translates the file's names into the part's.
        keep: beginnings of names in the part whose tensors stay as they are.

    Raises:
        ConfigError: the file is missing or damaged, or of another architecture.
    """
    file = Path(file)
    if not file.is_file():
        raise ConfigError(f"Weights for the backbone not found: {file}")
    state = unwrapped(read_state_dict(file), set(part.state_dict()))
    state = convert(state) if convert else state
    kept = {name: tensor for name, tensor in part.state_dict().items() if keep and name.startswith(keep)}
    others = {name: tensor for name, tensor in state.items() if not (keep and name.startswith(keep))}
    load_exactly(part, others | kept, file, may_be_left=CLASSIFIERS)


def load_checkpoint(network: QualityNetwork, file: Path) -> None:
    """Load a published checkpoint, or one of the same form, into a network in place.

    Args:
        network: what takes it.
        file: safetensors, or a PyTorch checkpoint with ``state_dict`` and prefixes of wrappers; no code of it runs.

    Raises:
        ConfigError: the file is damaged, would run code, or is of another architecture or number of outputs.
    """
    part = network.published()
    state = unwrapped(read_state_dict(file), set(part.state_dict()))
    renamed = {name.replace("classifier.1.", "classifier."): tensor for name, tensor in state.items()}
    load_exactly(part, renamed if "classifier.weight" in part.state_dict() else state, file)


def unwrapped(state: StateDict, expected: set[str]) -> StateDict:
    """Take the prefixes of wrappers off the keys where all keys have one and the network's own don't."""
    while True:
        prefix = next((p for p in WRAPPERS if state and all(key.startswith(p) for key in state)), None)
        if prefix is None or any(key.startswith(prefix) for key in expected):
            return state
        state = {key.removeprefix(prefix): value for key, value in state.items()}


def load_exactly(network: nn.Module, state: StateDict, file: Path, may_be_left: tuple[str, ...] = ()) -> None:
    """Load tensors into a network in place.

    Args:
        network: what takes them.
        state: tensors by name.
        file: where they are from, for messages.
        may_be_left: beginnings of names that the network may do without.

    Raises:
        ConfigError: a tensor is missing, left over or of another shape; names some of them. The network is as it was.
    """
    own = network.state_dict()
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    left = [key for key in state if key not in own and not key.startswith(may_be_left)]
    shapes = [key for key in own if key in state and own[key].shape != state[key].shape]
    problems = [_some("missing", missing), _some("unexpected", left)]
    problems += [
        f"{k} has shape {list(state[k].shape)} in the file and {list(own[k].shape)} in the network" for k in shapes[:1]
    ]
    if any(problems):
        found = "; ".join(problem for problem in problems if problem)
        raise ConfigError(f"Weights {file} are of another architecture than {type(network).__name__}: {found}.")
    network.load_state_dict({key: state.get(key, tensor) for key, tensor in own.items()})


def _some(kind: str, keys: list[str]) -> str:
    if not keys:
        return ""
    return f"{len(keys)} {kind} tensor{'s' * (len(keys) > 1)} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
