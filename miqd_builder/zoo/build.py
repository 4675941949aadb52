"""Build the model of a zoo entry."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from miqd_builder import user_code
from miqd_builder.errors import ConfigError
from miqd_builder.garbage import not_collected
from miqd_builder.zoo.backends import BACKENDS, backend_of
from miqd_builder.zoo.content_hash import check_entry
from miqd_builder.zoo.entry import ModelEntry

if TYPE_CHECKING:
    from miqd_builder.zoo.adapters.base import Adapter
    from miqd_builder.zoo.adapters.engine import Engine
    from miqd_builder.zoo.adapters.precision import Precision


def precision_of(entry: ModelEntry, wanted: Precision) -> Precision:
    """Return the precision that a model runs in: the wanted one, or float32 where its back end knows nothing else."""
    return wanted if backend_of(entry.backend).bfloat16 else "float32"


def engine_of(entry: ModelEntry, wanted: Engine) -> Engine:
    """Return the engine that runs a model: the wanted one, or torch where its back end knows nothing else."""
    return wanted if backend_of(entry.backend).onnxruntime else "torch"


def build(
    entry: ModelEntry,
    *,
    device: str = "cpu",
    batch_size: int | None = None,
    category_ids: Sequence[int] | None = None,
    random_weights: bool = False,
    precision: Precision = "float32",
    engine: Engine = "torch",
    expected: str | None = None,
) -> Adapter:
    """Build the model of a zoo entry and load its checkpoint.

    Args:
        entry: which model.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        batch_size: images prepared together; None leaves it to the back end.
        category_ids: ids of the annotations' categories, mapped to the model's classes by position in ascending order. None
            stands for COCO's 80 where the model has 80 classes, else for 1, 2, ... Classifiers don't use them.
        random_weights: keep random weights, the same at every build, instead of loading the checkpoint (to check the build).
        precision: of the network, where the back end knows it (see :func:`precision_of`).
        engine: what runs the network, where the back end knows it (see :func:`engine_of`).
        expected: the entry's content hash when the run was planned; a model of other code or files is refused.

    Raises:
        ConfigError: the back end is missing, or the entry, its config, checkpoint or classes don't fit.
        StaleCodeError: code or files here don't have the expected content hash.
    """
    backend = backend_of(entry.backend)
    if backend.missing:
        raise ConfigError(f"Model {entry.name!r} needs {backend.package}, which is not installed. Run: {backend.install}")

    with not_collected():
        import torch

        from miqd_builder.zoo.adapters.base import BuildOptions

    backend.set_environment()
    _check_device(device)
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"batch_size must be 1 or more, got {batch_size}.")
    if engine != "torch" and (precision != "float32" or not device.startswith("cpu")):
        raise ConfigError(f"engine {engine} is for float32 on a CPU: got precision {precision}, device {device}.")
    reduced, runs = precision_of(entry, precision), engine_of(entry, engine)
    options = BuildOptions(device, batch_size, category_ids, random_weights, reduced, runs)
    if expected is not None:
        check_entry(entry, expected)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        with not_collected():
            module = _adapter_module(entry.backend)
        adapter = _checked(entry.backend, module.build(entry, options))
    if expected is not None:
        check_entry(entry, expected)  # an edit may have come between
    return adapter


def _adapter_module(name: str) -> ModuleType:
    module = backend_of(name).module
    return importlib.import_module(module) if BACKENDS.shipped(name) else user_code.load(module)


def _checked(backend: str, model: object) -> Adapter:
    from miqd_builder.zoo.adapters.base import Adapter

    if not isinstance(model, Adapter):
        raise ConfigError(
            f"Back end '{backend}' built {type(model).__name__}: expected a subclass of {Adapter.__module__}.Adapter."
        )
    return model


def _check_device(device: str) -> None:
    import torch

    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise ConfigError(f"Unknown device {device!r}: expected cpu, cuda or cuda:N.")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"Device {device!r} is not available: {torch.cuda.device_count()} CUDA devices found. Use device cpu."
        )
