"""The content hash of a model, over all that its predictions depend on: when it changes, they are computed again."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from miqd_builder import consent
from miqd_builder.errors import StaleCodeError
from miqd_builder.user_code import source_sha256
from miqd_builder.zoo.adapters.mm_config import DISTRIBUTIONS, find_config, own_imports, read_config
from miqd_builder.zoo.backends import BACKENDS, backend_of
from miqd_builder.zoo.entry import ModelEntry
from miqd_builder.zoo.weights.cache import checkpoint_file, file_sha256

ADAPTER_VERSION = 1
"""Raise it when an adapter changes so that the same model predicts differently."""


def entry_hash(entry: ModelEntry) -> str:
    """Return 64 hex digits over all that changes the entry's predictions (not its name, metric or license).

    These are task, back end, architecture and its options, preprocessing, what an ONNX file's outputs are, the checkpoint's
    sha256, the content of a config of the user's (with everything it inherits; of a config that ships with a package only the
    name), the source of a ``python`` target's module, of the modules in such a config's ``custom_imports`` and of the adapter
    of a back end that another package adds, and :data:`ADAPTER_VERSION`. Places of files on disk don't count.

    Raises:
        ConfigError: a file that has to be read for this is missing or can't be read, or is code that nobody trusts.
    """
    if entry.target:
        consent.check_module(entry.target.partition(":")[0], f"Model {entry.name!r}")
    facts: dict[str, Any] = {
        "adapter_version": ADAPTER_VERSION,
        "task": entry.task,
        "backend": entry.backend,
        "config": entry.config,
        "cfg_options": entry.cfg_options,
        "arch": entry.arch,
        "arch_kwargs": entry.arch_kwargs,
        "target": entry.target,
        "target_source": source_sha256(entry.target.split(":")[0]) if entry.target else None,
        "preprocess": entry.preprocess.model_dump(exclude_none=True) if entry.preprocess else None,
        "checkpoint": _checkpoint_sha256(entry),
        **_config_facts(entry),
    }
    # Only where it applies, so that the hashes of all other entries stay the same.
    if not BACKENDS.shipped(entry.backend):
        facts["backend_source"] = source_sha256(backend_of(entry.backend).module)
    if entry.onnx is not None:
        facts["onnx"] = entry.onnx.model_dump()
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def check_entry(entry: ModelEntry, expected: str) -> None:
    """Make sure that a model's config, checkpoint and code on this machine are what a run was planned with.

    Args:
        entry: as it was planned.
        expected: its :func:`entry_hash` then.

    Raises:
        StaleCodeError: they are something else.
        ConfigError: one of them is missing or can't be read.
    """
    if entry_hash(entry) != expected:
        raise StaleCodeError(
            f"Model {entry.name!r}: its config, checkpoint or module here is not what the run was planned with. "
            "Run the same command again; on another machine, make its files the same."
        )


def _config_facts(entry: ModelEntry) -> dict[str, Any]:
    """The content of a config of the user's."""
    if entry.config_file is None:
        return {}
    if entry.backend not in DISTRIBUTIONS:
        return {"config": file_sha256(find_config(entry))}
    config = read_config(entry)
    imports = {module: source_sha256(module) for module in own_imports(config)}
    return {"config": config.to_dict(), **({"custom_imports": imports} if imports else {})}


def _checkpoint_sha256(entry: ModelEntry) -> str | None:
    if entry.checkpoint is None:
        return None
    return entry.checkpoint.sha256 or file_sha256(checkpoint_file(entry))
