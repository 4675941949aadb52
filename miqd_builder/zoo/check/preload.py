"""Imported by the fork server of a sweep, so that a framework is imported once and not by every model's process."""

from __future__ import annotations

import importlib
import os

from miqd_builder.zoo.adapters.mm_config import DISTRIBUTIONS, import_package, quiet
from miqd_builder.zoo.backends import backend_of

VARIABLE = "MIQD_PRELOAD"
"""Environment variable that names the back ends, separated by spaces."""


def preload(name: str) -> None:
    """Import a back end, if it is there."""
    backend = backend_of(name)
    if backend.missing:
        return  # building the model says so
    backend.set_environment()
    importlib.import_module(backend.module)
    if name in DISTRIBUTIONS:
        import_package(name)
        with quiet():
            importlib.import_module(f"{name}.datasets")  # for the test pipelines that need its steps


for _name in os.environ.get(VARIABLE, "").split():
    preload(_name)
