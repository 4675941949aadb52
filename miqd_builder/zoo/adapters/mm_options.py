"""Options of a zoo entry over a config that an OpenMMLab package ships: data, nothing that would run.

OpenMMLab builds whatever a ``type`` names, ``os.system`` as well as a class of its own, imports the package that ``_scope_`` or
the first word of a ``type`` names, and has networks that unpickle a file or run a config that an option names.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from miqd_builder.errors import ConfigError
from miqd_builder.zoo.entry import ModelEntry

_WORD = re.compile(r"[\w-]{0,100}")
_NAMING = ("type", "_scope_")
"""Keys whose text OpenMMLab looks up among its classes, and imports where it doesn't find it."""
_SCOPES = frozenset({"mmdet", "mmpretrain", "mmseg", "mmengine", "mmcv"})


def check_options(entry: ModelEntry) -> None:
    """Make sure that the options of an entry are plain values: numbers, words, names of registered classes.

    Raises:
        ConfigError: one of them could name code or a file; says where such an option belongs.
    """
    for place, key, value in _texts(entry.cfg_options, ""):
        if not _WORD.fullmatch(value) or (key in _NAMING and _imports(value)) or Path(value).is_file():
            raise ConfigError(
                f"Model {entry.name!r}: cfg_options.{place} = {value[:60]!r} could name a file or code. Write it into a config "
                "of your own beside the zoo file, which needs your consent, and name that as config."
            )


def _imports(value: str) -> bool:
    """Tell whether looking this name up would import a module: it is none of a registered class, but that of a module."""
    if value in _SCOPES or _is_registered(value):
        return False
    return value.isidentifier() and importlib.util.find_spec(value) is not None


def _is_registered(name: str) -> bool:
    module = importlib.import_module("mmengine.registry")
    roots = [registry for registry in vars(module).values() if isinstance(registry, module.Registry)]
    return any(name in one.module_dict for root in roots for one in (root, *root.children.values()))


def _texts(value: Any, place: str, key: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield every text among the options with its place and its key, the parts of dotted keys among them."""
    if isinstance(value, dict):
        for name, inner in value.items():
            where = f"{place}.{name}" if place else str(name)
            last = str(name).rpartition(".")[2]
            yield from _texts(inner, where, last)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{place}.{number}", key)
    elif isinstance(value, str):
        yield place, key, value
