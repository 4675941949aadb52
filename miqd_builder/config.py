"""The run file: what to degrade, with which models to label it, and where the result goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.limits import MAX_PIXELS
from miqd_builder.tasks import check_task
from miqd_builder.yaml_files import read_mapping

WORKER_TIMEOUT = 600.0
"""Seconds that a run waits for a worker while there is none."""

_PATHS = ("out", "zoo", "source.images", "source.labels", "source.annotations", "source.quality", "roi.path")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceConfig(_Section):
    """Where the clean images and their ground truth are."""

    kind: str
    images: Path
    labels: Path | None = None
    annotations: Path | None = None
    top_k_per_class: PositiveInt | None = None
    quality: Path | None = None
    category_ids: tuple[NonNegativeInt, ...] | None = Field(None, description="Pixel values of label PNGs that are classes.")
    recursive: bool = Field(False, description="Whether images in subfolders count.")
    max_pixels: PositiveInt = Field(MAX_PIXELS, description="Larger images are refused before they are decoded.")
    options: dict[str, Any] = Field(default_factory=dict, description="For kinds of other packages.")

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        from miqd_builder.sources.registry import SOURCES

        SOURCES.module(value)
        return value

    @field_validator("category_ids", mode="before")
    @classmethod
    def _expand_ranges(cls, value: Any) -> Any:
        """``[1-150]`` is short for 1, 2 .. 150."""
        if not isinstance(value, list):
            return value
        ids: list[Any] = []
        for item in value:
            first, dash, last = str(item).partition("-")
            is_range = bool(dash) and first.isdigit() and last.isdigit()
            ids += range(int(first), int(last) + 1) if is_range else [item]
        return ids


class RoiConfig(_Section):
    """Where the regions of interest come from (docs/roi.md).

    Attributes:
        kind: one of ``ROI_KINDS``; where neither it nor ``model`` is stated and no network is installed, ``saliency``.
        path: folder of kind ``masks``, weights of kind ``dino``.
        model: network of kind ``salient``: a name, an ``.onnx`` file, or a ``.yaml`` file that describes one.
        options: for kinds of other packages.
    """

    kind: str = "salient"
    path: Path | None = None
    model: str | None = None
    options: dict[str, Any] = Field(default_factory=dict, description="For kinds of other packages.")

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        from miqd_builder.roi.registry import ROI_KINDS

        ROI_KINDS.module(value)
        return value

    @model_validator(mode="after")
    def _model_has_a_use(self) -> RoiConfig:
        if self.model is not None and self.kind != "salient":
            raise ValueError(f"roi.model is for roi.kind salient: roi.kind '{self.kind}' takes none. Remove it")
        return self


class RunConfig(_Section):
    """One run, resolved for one task: paths are absolute or urls, defaults are filled in."""

    out: str
    seed: int = Field(0, ge=0)
    source: SourceConfig
    roi: RoiConfig = RoiConfig()
    degradations: tuple[str, ...] = ("*",)
    plugins: tuple[str, ...] = Field((), description="Modules that register further distortions.")
    images: Literal["png", "none"] = "png"
    full_reference: tuple[Literal["ssim", "ms_ssim"], ...] = Field((), description="Further columns of variants, beside psnr.")
    zoo: tuple[Path, ...] = ()
    models: tuple[str, ...] = ("*",)
    recipe: str = "miqd_v1"
    weights: Literal["metric", "measured", "uniform"] = "metric"
    sources_per_part: PositiveInt = 20
    models_per_pass: PositiveInt = Field(8, description="Models a worker holds at once; they share every image it reads.")
    scheduler: str = "dask"
    workers: PositiveInt | None = None
    worker_timeout: PositiveFloat = Field(WORKER_TIMEOUT, description="Seconds to wait for a worker while there is none.")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bfloat16"] = Field("float32", description="Of the networks, where their back end knows it.")
    limit: PositiveInt | None = None

    @field_validator("scheduler")
    @classmethod
    def _known_scheduler(cls, value: str) -> str:
        if value not in ("inline", "dask") and "://" not in value:
            raise ValueError(f"expected inline, dask or tcp://host:port, got '{value}'")
        return value

    @property
    def joins_cluster(self) -> bool:
        """Whether the work is done by the workers of a cluster that runs already."""
        return "://" in self.scheduler


def load_run(
    file: Path | None,
    *,
    task: str | None = None,
    settings: Sequence[str] = (),
    out: str | None = None,
    **options: Any,
) -> RunConfig:
    """Resolve a run file, its section for a task, and what the command line adds.

    Args:
        file: YAML run file; None for a run that the settings describe alone.
        task: cls, det, ins or seg; the fields under ``tasks.<task>`` of the run file override the others.
        settings: ``key=value`` with a dotted key and a YAML value; the last word. Relative paths start at the current folder.
        out: run folder, overrides the run file's.
        options: further fields by name; None means not given.

    Raises:
        ConfigError: the file is missing, a field is unknown or of a wrong type; the message names it.
    """
    fields: dict[str, Any] = {}
    if file is not None:
        fields = read_mapping("Run file", file, "fields such as 'out' and 'source'")
        sections = fields.pop("tasks", None) or {}
        if not isinstance(sections, dict):
            raise ConfigError(f"Run file '{file}': 'tasks' must map task names to fields.")
        for name in sections:
            check_task(name)
        fields = _merge(fields, sections.get(task) or {})
        _resolve_paths(fields, file.resolve().parent)
    added: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    if out is not None:
        added["out"] = out
    for setting in settings:
        _set(added, setting)
    _resolve_paths(added, Path.cwd())
    fields = _merge(fields, added)
    if not fields:
        raise ConfigError("Nothing to run: give a run file with --run, or the fields with --set source.kind=folder and so on.")
    try:
        return RunConfig.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(_explain(error, file)) from None


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _set(fields: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {setting}: expected key=value, for example --set source.kind=folder.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {setting}: the value is no valid YAML.") from None
    *parents, last = key.split(".")
    for parent in parents:
        fields = fields.setdefault(parent, {})
    fields[last] = value


def _resolve_paths(fields: dict[str, Any], base: Path) -> None:
    """Make the relative paths among the fields absolute, in place."""
    for dotted in _PATHS:
        *parents, key = dotted.split(".")
        section: Any = fields
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        if not isinstance(section, dict) or section.get(key) is None:
            continue
        value = section[key]
        section[key] = [_absolute(v, base) for v in value] if isinstance(value, list) else _absolute(value, base)
    if str(fields.get("recipe")).endswith((".yaml", ".yml")):
        fields["recipe"] = _absolute(fields["recipe"], base)
    roi = fields.get("roi")
    if isinstance(roi, dict) and str(roi.get("model")).endswith((".onnx", ".yaml", ".yml")):
        roi["model"] = _absolute(roi["model"], base)


def _absolute(path: Any, base: Path) -> Any:
    if not isinstance(path, str | Path) or "://" in str(path):
        return path
    return str((base / Path(path).expanduser()).resolve())


def _explain(error: ValidationError, file: Path | None) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    where = f"Run file '{file}'" if file else "The command line"
    if first["type"] == "extra_forbidden":
        sections: dict[str, type[BaseModel]] = {"source": SourceConfig, "roi": RoiConfig}
        owner = sections.get(str(first["loc"][0]) if len(first["loc"]) > 1 else "", RunConfig)
        return f"{where}: unknown field '{key}'.{did_you_mean(str(first['loc'][-1]), owner.model_fields)}"
    if first["type"] == "missing":
        return f"{where}: the field '{key}' is missing. Add it, or give it with --set {key}=..."
    return f"{where}: {key} = {first['input']!r}: {first['msg'].removeprefix('Value error, ')}."
