"""What a model's stored answers depend on, as one hash: when it changes, the answers are computed again."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

from miqd_builder.zoo.entry import ModelEntry

ADAPTER_VERSION = 1
"""Raise it when an adapter changes so that the same model answers differently."""


def fingerprint(entry: ModelEntry) -> str:
    """Return 64 hex digits over all that changes the entry's answers.

    These are task, back end, architecture and its options, preprocessing, the checkpoint's sha256, the content of a config of
    the user's (with everything it inherits; of a config that ships with a package only the name), the source of a ``python``
    target's module, and :data:`ADAPTER_VERSION`. Places of files on disk don't count.

    Raises:
        ConfigError: a file that has to be read for this is missing or can't be read.
    """
    facts: dict[str, Any] = {
        "adapter_version": ADAPTER_VERSION,
        "task": entry.task,
        "backend": entry.backend,
        "config": _config_content(entry),
        "cfg_options": entry.cfg_options,
        "arch": entry.arch,
        "arch_kwargs": entry.arch_kwargs,
        "target": entry.target,
        "target_source": _target_source(entry),
        "preprocess": entry.preprocess.model_dump(exclude_none=True) if entry.preprocess else None,
        "checkpoint": _checkpoint_sha256(entry),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _config_content(entry: ModelEntry) -> Any:
    if entry.config_file is None:
        return entry.config
    from miqd_builder.zoo.mm_config import read_config

    return read_config(entry).to_dict()


def _checkpoint_sha256(entry: ModelEntry) -> str | None:
    if entry.checkpoint is None:
        return None
    from miqd_builder.zoo.cache import checkpoint_file, file_sha256

    return entry.checkpoint.sha256 or file_sha256(checkpoint_file(entry))


def _target_source(entry: ModelEntry) -> str | None:
    """Hash of the file that holds a ``python`` target, None where there is none or it isn't a file."""
    if entry.target is None:
        return None
    try:
        spec = importlib.util.find_spec(entry.target.split(":")[0])
    except ModuleNotFoundError:
        return None  # building the model says so
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
