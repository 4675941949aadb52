"""Distortions from other packages: by entry point, or by the name of a module."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata

from degradations.errors import PluginError
from degradations.registry import Distortion, algorithm_fingerprint, find, registered, unknown_distortion

ENTRY_POINT_GROUP = "miqd.distortions"
"""Entry points of this group name modules that register distortions when they are imported."""


def load_plugin(module: str) -> list[str]:
    """Import a module that registers distortions; once a process, later calls answer the same.

    Args:
        module: dotted name of an importable module.

    Returns:
        The names of the distortions that the module (or its submodules) registered.

    Raises:
        PluginError: it can't be imported or registers nothing.
    """
    try:
        importlib.import_module(module)
    except Exception as error:
        raise PluginError(
            f"Plug-in {module!r} can't be imported: {type(error).__name__}: {error}. "
            "Expected the dotted name of a module on Python's path (install its package, or set PYTHONPATH)"
        ) from error
    names = [d.name for d in registered() if f"{d.function.__module__}.".startswith(f"{module}.")]
    if not names:
        raise PluginError(f"Plug-in {module!r} registers no distortion; it must use degradations.register when it is imported")
    return names


def distortions() -> list[Distortion]:
    """Return every registered distortion, plug-ins included: the ten of MIQD in table order, then the others by name."""
    _load_entry_points()
    return registered()


def distortion(name: str) -> Distortion:
    """Return the distortion of this name; installed plug-ins are looked at only if the name is not known without them.

    Raises:
        UnknownDegradationError: nobody registered it.
    """
    if find(name) is None:
        _load_entry_points()
    found = find(name)
    if found is None:
        raise unknown_distortion(name)
    return found


def fingerprint(name: str) -> str:
    """Return 16 hex digits that change when the pixels of a distortion do: with its name, candidates or algorithm version.

    Raises:
        UnknownDegradationError: nobody registered it.
    """
    return algorithm_fingerprint(distortion(name))


@functools.cache
def _load_entry_points() -> None:
    for entry_point in sorted(importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)):
        load_plugin(entry_point.module)
