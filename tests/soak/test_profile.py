"""Workers of a local cluster keep no samples of Dask's profiler, which grow for an hour."""

from __future__ import annotations

from typing import Any

from pipelines.schedulers.local import local_cluster


def callbacks(dask_worker: Any) -> list[str]:
    return list(dask_worker.periodic_callbacks)


def test_workers_are_not_profiled() -> None:
    with local_cluster(1, "cpu") as client:
        [names] = client.run(callbacks).values()
    assert "heartbeat" in names and not [name for name in names if "profile" in name]
