"""Weights into a model, completely or not at all: a half-loaded model would write wrong labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from torch import nn

from miqd_builder.errors import ConfigError
from miqd_builder.zoo.entry import ModelEntry
from miqd_builder.zoo.weights.cache import verified_file
from miqd_builder.zoo.weights.checkpoint import StateDict, read_state_dict

DERIVED_KEYS = (
    r"num_batches_tracked$",  # counts training steps; converted weights often lack it
    r"relative_position_index$",  # computed from the window size
    r"relative_coords_table$",
    r"attn_mask$",
    r"^data_preprocessor\.",  # mean and std, part of the config
    r"^(ema_|.*\.total_(ops|params)$)",  # a second copy of the weights from training; leftovers of a FLOP counter
)
"""Keys that may be missing or left over: they hold nothing that was learned, or nothing that the model uses."""

WRAPPER_PREFIXES = ("module.", "_orig_mod.", "model.", "ema_model.")
"""What training wrappers put before every key."""


def load_weights(
    model: nn.Module, entry: ModelEntry, *, convert: Callable[[StateDict, nn.Module], StateDict] | None = None
) -> None:
    """Load the entry's checkpoint into the model in place; half precision weights become the model's own precision.

    Args:
        model: the network, just built.
        entry: names the checkpoint.
        convert: translates the file's keys and shapes into the model's, as some back ends provide.

    Raises:
        ConfigError: the file is missing, another one, damaged or unsafe, or doesn't fit the model.
    """
    file = verified_file(entry)
    state = _unwrap(read_state_dict(file), set(model.state_dict()))
    if convert is not None:
        try:
            state = convert(state, model)
        except Exception as error:  # it reads the keys of its own architecture, and fails in any way without them
            raise ConfigError(
                f"Checkpoint {file} is of another architecture than model {entry.name!r}: its keys can't be translated "
                f"({type(error).__name__}: {' '.join(str(error).split())[:200]})"
            ) from error
    try:
        missing, unexpected = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ConfigError(
            f"Checkpoint {file} is of another architecture or number of classes than model {entry.name!r}: "
            f"{_first_mismatch(error)}"
        ) from error
    problems = [_describe(kind, keys) for kind, keys in (("missing", missing), ("unexpected", unexpected))]
    if any(problems):
        raise ConfigError(f"Checkpoint {file} does not fit model {entry.name!r}: {' and '.join(filter(None, problems))}")


def _unwrap(state: StateDict, expected: set[str]) -> StateDict:
    """Take a wrapper's prefix off the keys where all have it and the model's own keys don't."""
    for prefix in WRAPPER_PREFIXES:
        if all(key.startswith(prefix) for key in state) and not any(key.startswith(prefix) for key in expected):
            return {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _describe(kind: str, keys: Sequence[str]) -> str:
    learned = [key for key in keys if not any(re.search(pattern, key) for pattern in DERIVED_KEYS)]
    if not learned:
        return ""
    some = ", ".join(learned[:3]) + (", ..." if len(learned) > 3 else "")
    return f"{len(learned)} {kind} key{'s' * (len(learned) > 1)} ({some})"


def _first_mismatch(error: RuntimeError) -> str:
    found = re.search(
        r"size mismatch for (\S+): .*?shape (\S*\[.*?\]\S*) from checkpoint.*?model is (\S*\[.*?\])", str(error), re.S
    )
    if found is None:
        return " ".join(str(error).split())[:200]
    shapes = [re.sub(r"torch\.Size\((.*?)\)?$", r"\1", shape) for shape in found.groups()[1:]]
    return f"{found[1]} has shape {shapes[0]} in the file and {shapes[1]} in the model"
