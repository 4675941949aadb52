"""The tensors of checkpoint files, read without running any code of theirs."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from miqd_builder.errors import ConfigError

StateDict = dict[str, Tensor]

STATE_KEYS = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict", "params")
"""Names under which training code stores the weights; the first that is there is taken, averaged (EMA) weights before all."""


def read_state_dict(file: Path) -> StateDict:
    """Return the tensors of a ``.safetensors`` file or of a PyTorch checkpoint in any of the usual layouts.

    No code of the file runs: what needs more than tensors, plain containers and the inert stand-ins below is refused.

    Raises:
        ConfigError: the file is damaged, holds other classes, or holds no tensors.
    """
    if file.suffix == ".safetensors":
        return _read_safetensors(file)
    try:
        with torch.serialization.safe_globals(_harmless_globals()):
            payload = torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ConfigError(_refusal(file, str(error))) from error
    except Exception as error:  # torch's reader stumbles on damaged files in any way: struct.error, TypeError, MemoryError ...
        if "TorchScript" in str(error):
            raise ConfigError(f"Checkpoint {file} is refused: it is a TorchScript program. {_CONVERSION}") from error
        raise ConfigError(f"Checkpoint {file} is damaged: {_one_line(error)}") from error
    return _weights_in(payload, file)


def _read_safetensors(file: Path) -> StateDict:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (SafetensorError, OSError, ValueError, TypeError, LookupError, RuntimeError) as error:
        raise ConfigError(f"Checkpoint {file} is damaged: {_one_line(error)}") from error


class _Inert:
    """Stands for an object in a checkpoint's metadata that nothing here needs: takes any state and does nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Accept whatever the pickled object was made of."""

    def __setstate__(self, state: Any) -> None:
        """Forget the state."""


_INERT_NAMES = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    "mmengine.config.config.ConfigDict",
    "argparse.Namespace",
    "pathlib.PosixPath",
    "pathlib._local.PosixPath",
    "builtins.getattr",  # how the methods inside a HistoryBuffer are written; the real one never runs
)


def _harmless_globals() -> list[Any]:
    """What a checkpoint may name besides tensors: NumPy values, and metadata classes as inert stand-ins."""
    arrays: Any = importlib.import_module("numpy._core.multiarray")
    numpy_types: list[Any] = [np.ndarray, np.dtype, *{type(np.dtype(code)) for code in np.typecodes["All"]}]
    functions = [arrays._reconstruct, arrays.scalar]
    renamed = [(f, f"numpy.{core}.multiarray.{f.__name__}") for f in functions for core in ("core", "_core")]
    return [*numpy_types, *renamed, *((_Inert, name) for name in _INERT_NAMES)]


_CONVERSION = (
    "If you trust its origin, convert it inside a sandbox without network: load it there with the library that wrote it and "
    "save model.state_dict() as .safetensors."
)


def _refusal(file: Path, message: str) -> str:
    name = re.search(r"GLOBAL (\S+)", message)
    if name:
        return f"Checkpoint {file} is refused: loading it would run code of {name[1]!r}. {_CONVERSION}"
    # Not the whole message: it advises to load the file without this protection.
    detail = re.search(r"WeightsUnpickler error: ([^\n]*)", message)
    return f"Checkpoint {file} is damaged, or nothing that torch.save wrote{f': {detail[1].strip()}' if detail else '.'}"


def _weights_in(payload: Any, file: Path) -> StateDict:
    """Find the mapping of names to tensors in a loaded checkpoint."""
    if isinstance(payload, Mapping):
        nested = [payload[key] for key in STATE_KEYS if isinstance(payload.get(key), Mapping)]
        for candidate in [*nested, payload]:
            tensors = {name: value for name, value in candidate.items() if isinstance(value, Tensor)}
            if tensors:
                return tensors
    raise ConfigError(
        f"Checkpoint {file} holds no weights: expected tensors by name, at its top or under {', '.join(STATE_KEYS)}"
    )


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
