"""Quality models for Python: an image in, what it does to vision models out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from machine_iqa.engines import EngineName, create_engine
from machine_iqa.images import Channels, rgb
from machine_iqa.labels import LABELS, Label, check_label
from machine_iqa.networks.base import Views
from machine_iqa.networks.registry import list_networks
from machine_iqa.opening import DEFAULT_MODEL, open_model
from miqd_builder.errors import ConfigError
from miqd_builder.tasks import Task, check_task

if TYPE_CHECKING:
    from machine_iqa.networks.base import Output

GPU_BATCH, CPU_BATCH = 32, 4
"""Images of one shape that a network looks at together; more don't fit into a CPU's caches."""


class MIQAModel:
    """Predicts how much a degraded image hurts vision models, from its pixels alone.

    Args:
        name: of the model, see :func:`list_models`, or a file that ``miqd train`` wrote.
        task: ``cls``, ``det`` or ``ins``; by default ``cls`` where the model has it, else its first.
        label: ``consistency``, ``accuracy`` or ``composite``; by default ``composite`` where the model has it, else its first.
        weights: a file; by default the one that ships, or the published one, which one downloads by hand.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``: a GPU where there is one.
        engine: ``torch``, or ``onnx``: ONNX Runtime, on the CPU; by default the faster one. Scores agree to 1e-5.

    Attributes:
        name: of the model.
        task: that :meth:`assess` scores for.
        label: that :meth:`assess` predicts.
        score_range: worst and best score; a network without bounds, as the published ones are, may go a little beyond.
        lower_better: False: 1 means that models see as well as on the clean image.
        trained_on: data and labels.
        licence: of the weights.
        sha256: of the file of weights.
        network: the network itself, a :class:`machine_iqa.networks.base.QualityNetwork`.

    Raises:
        ConfigError: a name is unknown (names the nearest), the weights are missing (says which file, from where, to which
            place), refused or don't fit, or the device isn't there.
    """

    score_range = (0.0, 1.0)
    lower_better = False

    def __init__(
        self,
        name: str = DEFAULT_MODEL,
        *,
        task: str | None = None,
        label: str | None = None,
        weights: str | Path | None = None,
        device: str = "auto",
        engine: EngineName = "auto",
    ) -> None:
        wanted_task = None if task is None else check_task(task)
        wanted_label = None if label is None else check_label(label)
        opened = open_model(name, wanted_task, wanted_label, weights)
        self.name, self.network = opened.name, opened.network
        self.trained_on, self.licence, self.sha256 = opened.trained_on, opened.licence, opened.sha256
        self.task, self.label = _choose(opened.name, opened.network.outputs, wanted_task, wanted_label)
        self._engine_name = engine
        self.to(device)

    def to(self, device: str) -> MIQAModel:
        """Move the model to a device, see ``device`` above; returns itself."""
        self.device = find_device(device)
        self._engine = create_engine(self._engine_name, self.network, self.device)
        return self

    def assess(self, image: Any, *, channels: Channels = "BGR") -> float:
        """Return the score of an image for the model's task and label, 0 (useless to machines) to 1 (as good as clean).

        Args:
            image: a path, a Pillow image, or an array in OpenCV's order of channels, see :func:`machine_iqa.images.rgb`.
            channels: ``RGB`` for arrays in that order.

        Raises:
            UnreadableImageError: a file can't be read.
            ConfigError: an array is empty, of floating-point values or of another shape.
        """
        return self.assess_batch([image], channels=channels)[0]

    def assess_all(self, image: Any, *, channels: Channels = "BGR") -> dict[str, dict[str, float]]:
        """Return the scores of an image for every task and label that the model has, by task, then by label.

        Where a model predicts consistency and accuracy but no composite, the composite is their mean.
        """
        return self.by_label(self.scores([rgb(image, channels)])[0])

    def assess_batch(self, images: Iterable[Any], *, channels: Channels = "BGR") -> list[float]:
        """Return the score of each image, as :meth:`assess` does: an image has the same score alone and among others."""
        scores = self.scores(rgb(image, channels) for image in images)
        return [self.by_label(row)[self.task][self.label] for row in scores]

    def scores(self, images: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return what the network says of uint8 ``(height, width, 3)`` RGB images: ``(N, K)``, a column an output."""
        return self.scores_of_views([self.network.views(image) for image in images])

    def scores_of_views(self, views: Sequence[Views]) -> NDArray[np.float32]:
        """Return :meth:`scores` of what ``network.views(image)`` gave: views are small, images need not be kept for them."""
        found = np.empty((len(views), len(self.network.outputs)), np.float32)
        size = CPU_BATCH if self.device.type == "cpu" else GPU_BATCH
        for indices in _alike(views):
            for start in range(0, len(indices), size):
                chosen = indices[start : start + size]
                found[chosen] = self._predict([views[index] for index in chosen])
        return found

    def by_label(self, row: NDArray[np.float32]) -> dict[str, dict[str, float]]:
        """Return a row of :meth:`scores` by task and label, with the composite."""
        found: dict[str, dict[str, float]] = {}
        for output, score in zip(self.network.outputs, row, strict=True):
            found.setdefault(output.task, {})[output.label] = float(score)
        for labels in found.values():
            if "composite" not in labels and len(labels) == len(LABELS) - 1:
                labels["composite"] = sum(labels.values()) / len(labels)
        return found

    def _predict(self, views: Sequence[Views]) -> NDArray[np.float32]:
        return self._engine({name: torch.stack([view[name] for view in views]) for name in views[0]})


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one core inside, in this thread and in those that start here.

    Several threads that each compute on one core are faster than one that shares every small layer among all of them, and don't
    wait for each other where other programs are running.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def list_models(pattern: str = "*") -> list[str]:
    """Return the names of the models; some have weights only once one has downloaded or trained them.

    >>> list_models("*miqa*")
    ['miqa-small', 'ra-miqa']
    """
    return list_networks(pattern)


def create_model(name: str = DEFAULT_MODEL, **options: Any) -> MIQAModel:
    """Return the model of this name, see :class:`MIQAModel` for the options."""
    return MIQAModel(name, **options)


def batch_assess(
    paths: Iterable[Any], model_name: str = DEFAULT_MODEL, *, channels: Channels = "BGR", **options: Any
) -> list[float]:
    """Return the score of each image; a folder of many is better read by ``miqd assess``, which goes on after errors.

    Args:
        paths: files, Pillow images or arrays.
        model_name: of the model.
        channels: of arrays.
        options: of :class:`MIQAModel`: ``task``, ``label``, ``weights``, ``device``.
    """
    model = MIQAModel(model_name, **options)
    return [score for image in paths for score in model.assess_batch([image], channels=channels)]


def find_device(name: str) -> torch.device:
    """Return the device of a name.

    Raises:
        ConfigError: it is unknown or not there.
    """
    there = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda" if there else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise ConfigError(f"Unknown device '{name}': expected auto, cpu, cuda or cuda:N.")
    if kind == "cuda" and int(index or 0) >= there:
        raise ConfigError(f"Device '{name}' is not available: {there} CUDA devices found. Use device cpu.")
    return torch.device(name)


def _choose(name: str, outputs: Sequence[Output], task: Task | None, label: Label | None) -> tuple[Task, Label]:
    """Return the task and the label to score for, as wanted or by default."""
    labels: dict[Task, list[Label]] = {}
    for output in outputs:
        labels.setdefault(output.task, []).append(output.label)
    for of_task in labels.values():
        if set(of_task) == {"consistency", "accuracy"}:
            of_task.append("composite")
    chosen = task or ("cls" if "cls" in labels else outputs[0].task)
    if chosen not in labels:
        raise ConfigError(f"Model '{name}' has no scores for task {task}: expected one of {', '.join(labels)}.")
    known = labels[chosen]
    wanted = label or ("composite" if "composite" in known else known[0])
    if wanted not in known:
        raise ConfigError(f"Model '{name}' has no label {label} of task {chosen}: expected one of {', '.join(known)}.")
    return chosen, wanted


def _alike(views: Sequence[Views]) -> list[list[int]]:
    """Return the indices of views of equal shapes together."""
    groups: dict[Any, list[int]] = {}
    for index, view in enumerate(views):
        groups.setdefault(tuple((name, tuple(tensor.shape)) for name, tensor in view.items()), []).append(index)
    return list(groups.values())
