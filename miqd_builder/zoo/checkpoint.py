"""Checkpoint files: where they are, whether they are the right ones, and their tensors, read without running their code."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from miqd_builder.errors import ConfigError
from miqd_builder.zoo.entry import ModelEntry

StateDict = dict[str, Tensor]

STATE_KEYS = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict", "params")
"""Names under which training code stores the weights; the first that is there is taken, averaged (EMA) weights before all."""


def checkpoint_file(entry: ModelEntry) -> Path:
    """Return where the entry's checkpoint lies on disk: its path, or for a url its place in the cache folder.

    The cache folder is ``MIQD_CACHE``, by default ``~/.cache/miqd``. The hash is part of the place, since hubs name many files
    ``model.safetensors``.

    Raises:
        ConfigError: the entry has no checkpoint, or the file isn't there.
    """
    checkpoint = entry.checkpoint
    if checkpoint is None:
        raise ConfigError(f"Model {entry.name!r} has no checkpoint. Add checkpoint: {{path: FILE}} to its zoo entry.")
    if checkpoint.path is not None:
        if not checkpoint.path.is_file():
            raise ConfigError(f"Checkpoint of model {entry.name!r} not found: {checkpoint.path}")
        return checkpoint.path
    assert checkpoint.url is not None and checkpoint.sha256 is not None  # the entry was validated
    cache = Path(os.environ.get("MIQD_CACHE") or "~/.cache/miqd").expanduser()
    file = cache / "checkpoints" / checkpoint.sha256[:8] / checkpoint.url.split("?")[0].rsplit("/", 1)[-1]
    if not file.is_file():
        raise ConfigError(f"Checkpoint of model {entry.name!r} is not on disk. Download {checkpoint.url} to {file}")
    return file


def file_sha256(file: Path) -> str:
    """Return the sha256 of a file, 64 hex digits; computed once for a file that doesn't change."""
    stat = file.stat()
    return _file_sha256(file, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _file_sha256(file: Path, size: int, modified: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verified_file(entry: ModelEntry) -> Path:
    """Return the entry's checkpoint file after comparing its sha256 with the entry's (full, or its first digits).

    Raises:
        ConfigError: it isn't there, or it is another file.
    """
    file = checkpoint_file(entry)
    expected = entry.checkpoint.sha256 if entry.checkpoint else None
    if expected and not (found := file_sha256(file)).startswith(expected):
        raise ConfigError(
            f"Checkpoint of model {entry.name!r} is not the expected file: {file} has sha256 {found}, expected {expected}. "
            "Replace the file or correct the zoo entry."
        )
    return file


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
    except (RuntimeError, EOFError, OSError, ValueError, LookupError) as error:
        raise ConfigError(f"Checkpoint {file} is damaged: {_one_line(error)}") from error
    return _weights_in(payload, file)


def _read_safetensors(file: Path) -> StateDict:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
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


def _refusal(file: Path, message: str) -> str:
    name = re.search(r"GLOBAL (\S+)", message)
    if not name:
        return f"Checkpoint {file} is damaged or no checkpoint: {' '.join(message.split())[:200]}"
    return (
        f"Checkpoint {file} is refused: loading it would run code of {name[1]!r}. If you trust its origin, convert it inside a "
        "sandbox without network: load it there with the library that wrote it and save model.state_dict() as .safetensors."
    )


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
