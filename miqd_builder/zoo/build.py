"""From a zoo entry to a model that is ready: the registry of back ends."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from miqd_builder.errors import ConfigError
from miqd_builder.zoo.entry import ModelEntry

if TYPE_CHECKING:
    from miqd_builder.zoo.adapters.base import Adapter
    from miqd_builder.zoo.precision import Precision


@dataclass(frozen=True, slots=True)
class BackendModule:
    """Where a back end's adapter lives and what it needs.

    Attributes:
        module: the adapter's module, which has a function ``build(entry, options)``.
        package: the framework's import name, None where it needs none.
        install: what installs it.
        environment: variables that it reads when it is imported, set unless the user has set them.
        bfloat16: whether its adapter can run the network, or the part that extracts features, in bfloat16.
    """

    module: str
    package: str | None = None
    install: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    bfloat16: bool = False


_ADAPTERS = "miqd_builder.zoo.adapters"

BACKENDS: dict[str, BackendModule] = {
    "timm": BackendModule(f"{_ADAPTERS}.timm_classifier", "timm", "pip install timm", bfloat16=True),
    "torchvision": BackendModule(
        f"{_ADAPTERS}.torchvision_classifier", "torchvision", "pip install torchvision", bfloat16=True
    ),
    "mmpretrain": BackendModule(
        f"{_ADAPTERS}.mmpretrain_classifier", "mmpretrain", "pip install onedl-mmpretrain", bfloat16=True
    ),
    "mmdet": BackendModule(f"{_ADAPTERS}.mmdet_detector", "mmdet", "pip install onedl-mmdetection", bfloat16=True),
    "mmseg": BackendModule(f"{_ADAPTERS}.mmseg_segmenter", "mmseg", "pip install onedl-mmsegmentation"),
    "ultralytics": BackendModule(
        f"{_ADAPTERS}.ultralytics_detector",
        "ultralytics",
        "pip install 'miqd-builder[ultralytics]'",
        # Otherwise it looks for a network when it is imported and installs what it misses.
        {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"},
    ),
    "python": BackendModule(f"{_ADAPTERS}.python_callable"),
}
"""Back ends by name. An adapter's module, and with it the framework, is imported when a model of it is built."""


def precision_of(entry: ModelEntry, wanted: Precision) -> Precision:
    """Return the precision that a model runs in: the wanted one, or float32 where its back end knows nothing else."""
    return wanted if BACKENDS[entry.backend].bfloat16 else "float32"


def build(
    entry: ModelEntry,
    *,
    device: str = "cpu",
    batch_size: int | None = None,
    category_ids: Sequence[int] | None = None,
    random_weights: bool = False,
    precision: Precision = "float32",
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

    Raises:
        ConfigError: the back end is missing, or the entry, its config, checkpoint or classes don't fit.
    """
    backend = BACKENDS[entry.backend]
    if backend.package is not None and importlib.util.find_spec(backend.package) is None:
        raise ConfigError(f"Model {entry.name!r} needs {backend.package}, which is not installed. Run: {backend.install}")

    import torch

    from miqd_builder.zoo.adapters.base import BuildOptions

    for variable, value in backend.environment.items():
        os.environ.setdefault(variable, value)
    _check_device(device)
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"batch_size must be 1 or more, got {batch_size}.")
    options = BuildOptions(device, batch_size, category_ids, random_weights, precision_of(entry, precision))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return importlib.import_module(backend.module).build(entry, options)


def _check_device(device: str) -> None:
    import torch

    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise ConfigError(f"Unknown device {device!r}: expected cpu, cuda or cuda:N.")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"Device {device!r} is not available: {torch.cuda.device_count()} CUDA devices found. Use device cpu."
        )
