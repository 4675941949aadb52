"""Where the function of a distortion comes from: this project or a plug-in, and the file that it was made of."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any


def is_ours(function: Callable[..., Any]) -> bool:
    """Tell whether a function is of this project."""
    return function.__module__.partition(".")[0] == __package__


def module_of(function: Callable[..., Any]) -> ModuleType | None:
    """Return the module that is in memory now under the name of the function's module."""
    return sys.modules.get(function.__module__)


def source_sha256(function: Callable[..., Any]) -> str:
    """Return the hash of the file of a plug-in's function; empty for a function of this project, or one without a file.

    Asked for when the function is registered, which is when its module runs: it is the hash of the code in memory.
    """
    if is_ours(function):
        return ""
    module = module_of(function)
    code = getattr(inspect.unwrap(function), "__code__", None)
    file = code.co_filename if code else getattr(module, "__file__", None)
    try:
        return hashlib.sha256(_read(module, file)).hexdigest() if file else ""
    except OSError:
        return ""  # a notebook's cell


def _read(module: ModuleType | None, file: str) -> bytes:
    """Read through the module's loader, which has the bytes even if they come from no file, or the file has changed since."""
    loader: Any = getattr(getattr(module, "__spec__", None), "loader", None)
    content: bytes = loader.get_data(file) if hasattr(loader, "get_data") else Path(file).read_bytes()
    return content
