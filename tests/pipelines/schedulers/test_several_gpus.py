"""Workers for several GPUs get the settings of all others; dask-cuda is played by a class that takes its options as it does."""

from __future__ import annotations

import os
import signal
import sys
from types import ModuleType
from typing import Any

import pytest
from distributed import LocalCluster

from miqd_builder.errors import ConfigError
from pipelines.schedulers import local

given: list[dict[str, Any]] = []


class FakeCUDACluster(LocalCluster):
    """As ``dask_cuda.LocalCUDACluster``: its own preload beside those given, its own environment for each worker."""

    def __init__(self, n_workers: int, device_memory_limit: Any = 0.8, memory_limit: Any = "auto", **options: Any) -> None:
        given.append({"device_memory_limit": device_memory_limit, "memory_limit": memory_limit, **options})
        super().__init__(n_workers=0, memory_limit=memory_limit, **options)
        self.new_spec["options"]["preload"] = [
            *self.new_spec["options"].get("preload", []),
            "import os; os.environ['CONTEXT'] = '1'",
        ]
        self._devices = iter(range(n_workers))
        self.scale(n_workers)
        self.sync(self._correct_state)

    def new_worker_spec(self) -> dict[Any, Any]:
        device = next(self._devices)
        options = self.new_spec["options"] | {"env": {"CUDA_VISIBLE_DEVICES": str(device)}}
        return {device: self.new_spec | {"options": options}}


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("dask_cuda")
    module.LocalCUDACluster = FakeCUDACluster  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dask_cuda", module)
    monkeypatch.setattr(local, "_gpu_count", lambda: 2)
    given.clear()


def settings_of_a_worker(dask_worker: Any) -> dict[str, Any]:
    return {
        "device": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "context": os.environ.get("CONTEXT"),
        "limit": dask_worker.memory_manager.memory_limit,
        "threads": dask_worker.state.nthreads,
        "interrupt": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
        "allocator": {name: os.environ.get(name) for name in local.WORKER_ENVIRONMENT},
    }


def test_a_worker_a_gpu_with_the_settings_of_all_workers(two_gpus: None) -> None:
    with local.local_cluster(None, "cuda") as client:
        found = client.run(settings_of_a_worker)
        allowed = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.allowed_failures)
    assert sorted(one.pop("device") for one in found.values()) == ["0", "1"]
    expected = {"context": "1", "limit": None, "threads": 1, "interrupt": True, "allocator": local.WORKER_ENVIRONMENT}
    assert list(found.values()) == [expected, expected]
    assert allowed == 0
    assert given[0]["device_memory_limit"] is None and given[0]["memory_limit"] is None  # nothing is spilled


def test_more_workers_than_gpus_are_refused(two_gpus: None) -> None:
    with pytest.raises(ConfigError, match=r"5 workers for 2 GPUs: .*give at most --workers 2"), local.local_cluster(5, "cuda"):
        pass
    assert not given


def test_without_dask_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_gpu_count", lambda: 2)
    monkeypatch.setitem(sys.modules, "dask_cuda", None)
    with pytest.raises(ConfigError, match="Several GPUs need dask-cuda"), local.local_cluster(None, "cuda"):
        pass
