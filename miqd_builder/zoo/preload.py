"""Imported by the fork server of a sweep, so that a framework is imported once and not by every model's process."""

from __future__ import annotations

import importlib
import importlib.util
import os

from miqd_builder.zoo.build import BACKENDS
from miqd_builder.zoo.mm_config import DISTRIBUTIONS, import_package

VARIABLE = "MIQD_PRELOAD"
"""Environment variable that names the back ends, separated by spaces."""


def preload(name: str) -> None:
    """Import a back end, if it is there."""
    backend = BACKENDS[name]
    if backend.package is not None and importlib.util.find_spec(backend.package) is None:
        return  # building the model says so
    for variable, value in backend.environment.items():
        os.environ.setdefault(variable, value)
    importlib.import_module(backend.module)
    if name in DISTRIBUTIONS:
        import_package(name)


for _name in os.environ.get(VARIABLE, "").split():
    preload(_name)
