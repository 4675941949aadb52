"""``train``: the command that trains a quality model on labelled images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.api.fields import Settings, command

if TYPE_CHECKING:
    from machine_iqa.training.figures import Figure
    from machine_iqa.training.run import TrainingPlan


@dataclass(frozen=True, slots=True)
class Trained:
    """What ``train`` made.

    Attributes:
        folder: of the training.
        weights: the weights that validation chose; ``MIQAModel(weights)`` opens them.
        card: what the model learned from, and how good it is.
        figures: of the test split, see :class:`machine_iqa.training.figures.Figure`; none for a dry run.
    """

    folder: Path
    weights: Path
    card: Path
    figures: tuple[Figure, ...] = ()


@command
def train(
    config: str | Path | None = None,
    *,
    runs: str | Path | Sequence[str | Path] | None = None,
    data_path: str | Path | None = None,
    name: str | None = None,
    out: str | Path | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    epochs: int | None = None,
    gpu_ids: Sequence[int] | None = None,
    settings: Settings = None,
    dry_run: bool = False,
    show_progress: bool = False,
    on_plan: Callable[[TrainingPlan], None] | None = None,
) -> Trained:
    """Train a quality model, choose its weights on validation, and report on the test split, once.

    The same call goes on with an interrupted training, in the middle of an epoch too. docs/training.md lists all fields.

    Args:
        config: training file (YAML), or the name of one that ships: ``miqa_small``, ``ra_miqa``, ``resnet50`` ...
        runs: run folders with labels; their images are read, or rendered on the fly.
        data_path: the published tree, the folder of ``miqa_cls``, ``miqa_det``.
        name: of the training, its folder below ``out``; by default that of the training file.
        out: folder for trainings; by default ``runs``.
        batch_size: images of a step, over all processes.
        learning_rate: the highest.
        epochs: how often each source is seen.
        gpu_ids: GPUs to train on, a process each.
        settings: further fields as ``key=value``; they have the last word.
        dry_run: read the labels, build the network, and write nothing.
        show_progress: show a bar on standard error.
        on_plan: called with the plan before anything is written.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: a field, a run folder, a label table or a file of weights is wrong, or the folder holds another training.
        StoreError: a part is damaged.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> folder = tempfile.mkdtemp()
        >>> fields = {"degradations": "darkness_?", "models": "demo_resnet10t", "scheduler": "inline", "images": "none"}
        >>> made = mb.label(task="cls", run="pipelines/demo.yaml", out=folder + "/run", **fields)
        >>> planned = mb.train("miqa_small", runs=made.outs, out=folder, settings=["tasks=[cls]"], dry_run=True)
        >>> planned.weights.name, planned.figures
        ('best.safetensors', ())
    """
    from machine_iqa.training.config import load_config
    from machine_iqa.training.files import BEST, CARD
    from machine_iqa.training.run import plan_training, run_training

    places = [runs] if isinstance(runs, str | Path) else runs
    fields = {
        "runs": None if places is None else [str(place) for place in places],
        "data_path": None if data_path is None else str(data_path),
        "name": name,
        "out": None if out is None else str(out),
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "epochs": epochs,
        "gpu_ids": None if gpu_ids is None else list(gpu_ids),
    }
    plan = plan_training(load_config(config, settings=settings or [], fields=fields))
    if on_plan is not None:
        on_plan(plan)
    folder = plan.config.folder
    figures = () if dry_run else tuple(run_training(plan, show_progress=show_progress))
    return Trained(folder, folder / BEST, folder / CARD, figures)


@command
def export_model(
    to: str | Path,
    *,
    model: str = "miqa-small",
    task: str | None = None,
    label: str | None = None,
    weights: str | Path | None = None,
) -> Path:
    """Write a quality model for programs without this project, see :func:`machine_iqa.export.export`.

    Args:
        to: ``.onnx``, or ``.pt2`` of PyTorch.
        model: name of a quality model, or a file that ``miqd train`` wrote.
        task: ``cls``, ``det`` or ``ins``, of a model that has weights for each.
        label: ``consistency``, ``accuracy`` or ``composite``, of a model that has weights for each.
        weights: of the model; by default those that ship, or the published ones, which one downloads by hand.

    Returns:
        the file.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: the model or its weights are missing, or the file can't be written.
    """
    from machine_iqa.export import export
    from machine_iqa.model import MIQAModel

    return export(MIQAModel(model, task=task, label=label, weights=weights, device="cpu"), to)
