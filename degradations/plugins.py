"""Distortions from other packages: by entry point, or by the name of a module."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
from collections.abc import Callable, Iterable
from types import ModuleType

from degradations.definition import Distortion
from degradations.errors import PluginError
from degradations.origin import is_ours
from degradations.registry import algorithm_hash, find, registered, unknown_distortion

Importer = Callable[[str], ModuleType]

ENTRY_POINT_GROUP = "miqd.distortions"
"""Entry points of this group name modules that register distortions when they are imported."""


_loaded: set[str] = set()
"""Modules that were loaded as plug-ins."""


def load_plugin(module: str, importer: Importer = importlib.import_module) -> list[str]:
    """Import a module that registers distortions; later calls return the same.

    If the module was dropped from ``sys.modules`` or imported anew since, because its file was edited, the distortions that
    it doesn't register again are forgotten.

    Args:
        module: dotted name of an importable module.
        importer: imports it by its name, and may import it anew.

    Returns:
        The names of the distortions that the module (or its submodules) registered.

    Raises:
        PluginError: it can't be imported or registers nothing.
    """
    try:
        importer(module)
    except Exception as error:
        raise PluginError(
            f"Plug-in {module!r} can't be imported: {type(error).__name__}: {error}. "
            "Expected the dotted name of a module on Python's path (install its package, or set PYTHONPATH)"
        ) from error
    names = _names_of(module)
    if not names:
        raise PluginError(f"Plug-in {module!r} registers no distortion; it must use degradations.register when it is imported")
    _loaded.add(module)
    return names


def load_installed(importer: Importer = importlib.import_module) -> list[str]:
    """Load the modules that the entry points of installed packages name, and return their names.

    Args:
        importer: see :func:`load_plugin`.

    Raises:
        PluginError: one can't be imported or registers nothing.
    """
    modules = sorted({entry_point.module for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)})
    for module in modules:
        load_plugin(module, importer)
    return modules


def plugin_modules(names: Iterable[str]) -> set[str]:
    """Return the modules outside this project that some distortions come from.

    Args:
        names: of distortions (``fog``, not ``fog_1``).

    Returns:
        What :func:`load_plugin` was called with, or an entry point names, where the function is of it or of its submodules;
        else the function's own module.

    Raises:
        UnknownDegradationError: one of them is not registered.
    """
    functions = [distortion(name).function for name in names]
    return {_plugin_of(function.__module__) for function in functions if not is_ours(function)}


def _plugin_of(module: str) -> str:
    return min((plugin for plugin in _loaded if f"{module}.".startswith(f"{plugin}.")), key=len, default=module)


def _names_of(module: str) -> list[str]:
    return [d.name for d in registered() if f"{d.function.__module__}.".startswith(f"{module}.")]


def distortions() -> list[Distortion]:
    """Return every registered distortion, plug-ins included: the ten of MIQD in table order, then the others by name."""
    _load_entry_points()
    return registered()


def distortion(name: str) -> Distortion:
    """Return the distortion of this name; installed plug-ins are loaded only if the name is not known without them.

    Raises:
        UnknownDegradationError: it is not registered.
    """
    if find(name) is None:
        _load_entry_points()
    found = find(name)
    if found is None:
        raise unknown_distortion(name)
    return found


def content_hash(name: str) -> str:
    """Return 16 hex digits that change when the pixels of a distortion do: with its name, candidates or algorithm version.

    For a function outside this project it also covers the function's file, since its author may forget to raise the version.

    Raises:
        UnknownDegradationError: it is not registered.
    """
    return algorithm_hash(distortion(name))


@functools.cache
def _load_entry_points() -> None:
    load_installed()
