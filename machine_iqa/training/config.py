"""What is trained, on what, and how: the fields of a training file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from machine_iqa.networks.base import Label, Output
from miqd_builder.config import absolute, merged, set_field
from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.tasks import Task
from miqd_builder.yaml_files import read_mapping

SHIPPED = Path(__file__).resolve().parents[1] / "configs"
"""Training files that ship; each may be given by its name alone."""
_PATHS = ("out", "runs", "data_path", "train_csv", "test_csv", "weights")


class Losses(BaseModel):
    """Weights of the terms of the loss; 0 leaves a term out. See :mod:`machine_iqa.training.losses`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mse: NonNegativeFloat = 1.0
    huber: NonNegativeFloat = 0.0
    ranking: NonNegativeFloat = Field(default=0.0, description="Pairs of a batch in the order of their labels.")
    plcc: NonNegativeFloat = Field(default=0.0, description="1 - Pearson's correlation over a batch.")
    mask: NonNegativeFloat = Field(default=0.0, description="Cross entropy with the ROI, of networks that predict masks.")
    damage: NonNegativeFloat = Field(default=0.0, description="What was done to the image, of networks that say so.")

    @model_validator(mode="after")
    def _something_to_learn(self) -> Losses:
        if not self.mse + self.huber + self.ranking + self.plcc:
            raise ValueError("mse, huber, ranking and plcc are all 0: nothing would be learned")
        return self


class TrainingConfig(BaseModel):
    """One training, resolved: paths are absolute or urls, defaults are filled in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[\w-][\w.-]*$", max_length=100, description="The folder below out.")
    out: Path = Field(Path("runs"), description="Folder for trainings.")
    network: str
    network_options: dict[str, Any] = Field({}, description="Options of the network, such as files of pretrained backbones.")
    weights: Path | None = Field(None, description="Start from this trained model (safetensors) of the same network.")
    licence: str = Field("not stated", description="Of the weights that come out.")
    version: str = Field("1", description="Of the weights that come out.")
    tasks: tuple[Task, ...] = Field(("cls",), min_length=1)
    labels: tuple[Label, ...] = Field(("composite",), min_length=1)

    runs: tuple[str, ...] = Field((), description="Run folders with labels: paths or urls.")
    data_path: Path | None = Field(None, description="The published tree: folder of miqa_cls, miqa_det.")
    label_models: Literal["all", "half_a", "half_b"] = Field("all", description="Models whose scores make the labels.")
    split_seed: int = Field(0, ge=0)
    train_csv: Path | None = Field(None, description="Published list of sources to train on, instead of a split by hash.")
    test_csv: Path | None = Field(None, description="Published list of sources to report on.")
    degradations_per_source: PositiveInt | None = Field(None, description="Drawn anew each epoch; all if not given.")
    validation_degradations_per_source: PositiveInt | None = Field(None, description="Drawn once; all if not given.")
    images_per_source: PositiveInt = Field(8, description="Images of a source in a batch at most; rendered together.")
    workers: int = Field(0, ge=0, description="Processes that read and render, for each training process; 0: none.")

    epochs: PositiveInt = 5
    batch_size: PositiveInt = Field(64, description="Images of a step, over all processes.")
    learning_rate: PositiveFloat = 1e-4
    minimum_learning_rate: float = Field(0.01, ge=0, le=1, description="Where the cosine ends, as a share.")
    backbone_learning_rate: PositiveFloat = Field(1.0, description="Of the pretrained part, as a share.")
    frozen: tuple[str, ...] = Field((), description="Modules that don't learn, by dotted name; first layers cost most.")
    warmup_epochs: NonNegativeFloat = 1.0
    weight_decay: NonNegativeFloat = Field(1e-4, description="None on biases and norms.")
    gradient_clip: NonNegativeFloat = Field(0.0, description="Norm of the gradient; 0: not clipped.")
    ema: float = Field(0.0, ge=0, lt=1, description="Decay of the moving average of weights that is validated; 0: none.")
    losses: Losses = Losses()

    seed: int = Field(0, ge=0)
    validations_per_epoch: PositiveInt = 2
    save_every: PositiveInt = Field(100, description="Batches after which the state is saved, beside every validation.")
    precision: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    gpu_ids: tuple[int, ...] = Field((), description="GPUs to train on, a process each; one if not given.")
    processes: PositiveInt = Field(1, description="Training processes on the CPU.")

    @model_validator(mode="after")
    def _one_kind_of_process(self) -> TrainingConfig:
        if self.gpu_ids and (self.device == "cpu" or self.processes > 1):
            raise ValueError("gpu_ids goes with neither device: cpu nor processes")
        return self

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What the network predicts: every label of every task."""
        return tuple(Output(task, label) for task in dict.fromkeys(self.tasks) for label in dict.fromkeys(self.labels))

    @property
    def folder(self) -> Path:
        """Where everything that is written goes."""
        return self.out / self.name


def load_config(
    file: str | Path | None = None, *, settings: Sequence[str] = (), fields: Mapping[str, Any] | None = None
) -> TrainingConfig:
    """Resolve a training file and what was given beside it.

    Args:
        file: YAML, or the name of one that ships, such as ``ra_miqa``; its relative paths start at its folder.
        settings: ``key=value`` with a dotted key and a YAML value; they have the last word. Relative paths start at the
            current folder.
        fields: further fields by name; None means not given.

    Raises:
        ConfigError: the file is missing, a field is unknown (names the nearest), missing or wrong.
    """
    content: dict[str, Any] = {}
    if file is not None:
        path = _found(Path(file))
        content = read_mapping("Training file", path, "fields such as 'network' and 'runs'")
        content.setdefault("name", path.stem)
        _resolve_paths(content, Path.cwd() if path.parent == SHIPPED else path.resolve().parent)
    added = {name: value for name, value in (fields or {}).items() if value is not None}
    for setting in settings:
        set_field(added, setting)
    _resolve_paths(added, Path.cwd())
    content = merged(content, added)
    content.setdefault("out", str(Path.cwd() / "runs"))
    try:
        return TrainingConfig.model_validate(content)
    except ValidationError as error:
        raise ConfigError(_explain(error, file)) from None


def shipped_configs() -> list[str]:
    """Return the names of the training files that ship.

    >>> "ra_miqa" in shipped_configs()
    True
    """
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def _found(file: Path) -> Path:
    shipped = SHIPPED / f"{file}.yaml"
    if file.is_file() or file.suffix:
        return file
    if not shipped.is_file():
        known = shipped_configs()
        raise ConfigError(
            f"No training file '{file}': give a path, or one of {', '.join(known)}.{did_you_mean(str(file), known)}"
        )
    return shipped


def _resolve_paths(fields: dict[str, Any], base: Path) -> None:
    for name in _PATHS:
        value = fields.get(name)
        if name == "runs" and isinstance(value, str | Path):
            value = [value]
        if value is not None:
            fields[name] = [absolute(one, base) for one in value] if isinstance(value, list | tuple) else absolute(value, base)


def _explain(error: ValidationError, file: str | Path | None) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    where = f"Training file '{file}'" if file else "The training's fields"
    if first["type"] == "extra_forbidden":
        owner = Losses if first["loc"][0] == "losses" else TrainingConfig
        return f"{where}: unknown field '{key}'.{did_you_mean(str(first['loc'][-1]), owner.model_fields)}"
    if first["type"] == "missing":
        return f"{where}: the field '{key}' is missing. Add it, or give it with --set {key}=..."
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {key} = {first['input']!r}: {message}." if key else f"{where}: {message}."
