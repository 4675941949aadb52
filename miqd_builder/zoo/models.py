"""The models of the zoo for Python: list their names, make one that predicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.tasks import check_task
from miqd_builder.zoo.catalog import Catalog, load_zoo, shipped_zoo

if TYPE_CHECKING:
    from miqd_builder.zoo.adapters.base import Adapter
    from miqd_builder.zoo.adapters.engine import Engine
    from miqd_builder.zoo.adapters.precision import Precision

ZooFiles = str | Path | Sequence[str | Path] | None


def list_models(pattern: str = "*", *, task: str | None = None, zoo: ZooFiles = None) -> list[str]:
    """Return the names of models, in the order of their zoo files.

    Args:
        pattern: of names, with ``*``, ``?`` and ``[..]``.
        task: only models of this task: ``cls``, ``det``, ``ins`` or ``seg``.
        zoo: a zoo file or several; by default those that ship with the project.

    Raises:
        ConfigError: no model is left, the task is unknown or a zoo file is wrong; names the nearest.

    Examples:
        >>> import miqd_builder as mb
        >>> mb.list_models("demo_*", task="det")
        ['demo_rtmdet', 'demo_yolox']
    """
    return [entry.name for entry in _catalog(zoo).find(pattern, task=None if task is None else check_task(task))]


def create_model(
    name: str,
    *,
    task: str | None = None,
    zoo: ZooFiles = None,
    device: str = "cpu",
    batch_size: int | None = None,
    category_ids: Sequence[int] | None = None,
    precision: Precision = "float32",
    engine: Engine = "torch",
    random_weights: bool = False,
) -> Adapter:
    """Build a model of the zoo and load its checkpoint; nothing is downloaded (``miqd zoo fetch NAME`` does that).

    Args:
        name: of the model.
        task: that the model must be of.
        zoo: a zoo file or several; by default those that ship with the project.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        batch_size: images prepared together; predictions don't depend on it. By default the back end's choice.
        category_ids: of the annotations' categories, rising; by default COCO's for a model of 80 classes, else 1, 2, ...
        precision: of the network, ``float32`` or ``bfloat16``, where the back end knows it.
        engine: what runs the network on a CPU, ``torch`` or ``onnxruntime``, where the back end knows it.
        random_weights: keep random weights, the same at every call, instead of loading the checkpoint.

    Returns:
        an object whose ``predict(images)`` takes a sequence of uint8 ``(height, width, 3)`` RGB images of any sizes and returns
        a :class:`~miqd_builder.responses.Classification`, :class:`~miqd_builder.responses.Detections` or
        :class:`~miqd_builder.responses.Segmentation` for each. Its ``entry`` is the zoo entry.

    Raises:
        ConfigError: there is no such model (names the nearest), its package or its checkpoint is missing, or the device is not
            there.

    Examples:
        >>> import numpy as np
        >>> from PIL import Image
        >>> import miqd_builder as mb
        >>> scene = np.asarray(Image.open("pipelines/demo/images/scene_00_ball.png").convert("RGB"))
        >>> [prediction] = mb.create_model("demo_resnet10t").predict([scene])
        >>> prediction.probabilities.shape, int(prediction.probabilities.argmax())
        ((8,), 0)
    """
    catalog = _catalog(zoo)
    entry = catalog[name]
    if task is not None and entry.task != check_task(task):
        known = [other.name for other in catalog if other.task == task]
        raise ConfigError(f"Model {name!r} is of task {entry.task}, not {task}.{did_you_mean(name, known)}")
    from miqd_builder.zoo.build import build

    return build(
        entry,
        device=device,
        batch_size=batch_size,
        category_ids=category_ids,
        random_weights=random_weights,
        precision=precision,
        engine=engine,
    )


def _catalog(zoo: ZooFiles) -> Catalog:
    return load_zoo([zoo] if isinstance(zoo, str | Path) else zoo or shipped_zoo())
