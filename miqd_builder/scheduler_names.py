"""The schedulers by name, which the run file's ``scheduler`` is checked against; ``pipelines.schedulers`` opens them."""

from __future__ import annotations

from typing import Any

from miqd_builder.registry import Registry

_DASK_PROTOCOLS = ("tcp", "tls", "ucx", "ucxx", "ws", "wss")

SCHEDULERS: Registry[Any] = Registry(
    "scheduler",
    "miqd.schedulers",
    {
        "inline": "pipelines.schedulers.inline:open_inline",
        "dask": "pipelines.schedulers.dask:open_local",
        **dict.fromkeys(_DASK_PROTOCOLS, "pipelines.schedulers.dask:join"),
    },
)
"""Functions that open an engine (``pipelines.schedulers.registry.Opener``). An address is looked up by what is before ``://``."""


def scheme(scheduler: str) -> str:
    """Return the name that a scheduler is registered under.

    Examples:
        >>> scheme("dask"), scheme("tcp://host:8786")
        ('dask', 'tcp')
    """
    return scheduler.partition("://")[0]


def is_known(scheduler: str) -> bool:
    """Tell whether there is such a scheduler; of those that ship, whether it has an address if it needs one."""
    name = scheme(scheduler)
    if SCHEDULERS.shipped(name):
        return ("://" in scheduler) == (name in _DASK_PROTOCOLS)
    return name in SCHEDULERS
