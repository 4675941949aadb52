"""The run file: what to degrade, with which models to label it, and where the result goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, field_validator

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.roi.config import RoiConfig
from miqd_builder.roi.registry import ROI_KINDS
from miqd_builder.scheduler_names import SCHEDULERS, is_known
from miqd_builder.sources.config import SourceConfig
from miqd_builder.sources.registry import SOURCES
from miqd_builder.tasks import check_task
from miqd_builder.wording import COMMAND_LINE, Words
from miqd_builder.yaml_files import read_mapping

__all__ = ["WORKER_TIMEOUT", "RoiConfig", "RunConfig", "SourceConfig", "load_run"]

WORKER_TIMEOUT = 600.0
"""Seconds that a run waits for a worker when there is none."""

_PATHS = ("out", "zoo", "source.images", "source.labels", "source.annotations", "source.quality", "roi.path")


class RunConfig(BaseModel):
    """One run, resolved for one task: paths are absolute or urls, defaults are filled in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    out: str
    seed: int = Field(0, ge=0)
    source: SourceConfig
    roi: RoiConfig = RoiConfig()
    degradations: tuple[str, ...] = ("*",)
    plugins: tuple[str, ...] = Field((), description="Modules that register further distortions.")
    images: Literal["png", "none"] = "png"
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
    engine: Literal["torch", "onnxruntime"] = Field("torch", description="What runs the networks on a CPU, where supported.")
    feed_threads: PositiveInt | None = Field(None, description="Threads of a worker that make the images for its models.")
    limit: PositiveInt | None = None

    @field_validator("source")
    @classmethod
    def _known_source_kind(cls, value: SourceConfig) -> SourceConfig:
        SOURCES.module(value.kind)
        return value

    @field_validator("roi")
    @classmethod
    def _known_roi_kind(cls, value: RoiConfig) -> RoiConfig:
        ROI_KINDS.module(value.kind)
        return value

    @field_validator("scheduler")
    @classmethod
    def _known_scheduler(cls, value: str) -> str:
        if not is_known(value):
            raise ValueError(
                f"expected inline, dask or tcp://host:port, got '{value}'.{did_you_mean(value, SCHEDULERS.names())}"
            )
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
    words: Words = COMMAND_LINE,
    **options: Any,
) -> RunConfig:
    """Resolve a run file, its section for a task, and what the command line adds.

    Args:
        file: YAML run file; None for a run that the settings describe alone.
        task: cls, det, ins or seg; the fields under ``tasks.<task>`` of the run file override the others.
        settings: ``key=value`` with a dotted key and a YAML value; overrides everything else. Relative paths start at the
            current folder.
        out: run folder, overrides the run file's.
        words: how errors name what overrides the run file.
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
        fields = merged(fields, sections.get(task) or {})
        _resolve_paths(fields, file.resolve().parent)
    added: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    if out is not None:
        added["out"] = out
    for setting in settings:
        set_field(added, setting)
    _resolve_paths(added, Path.cwd())
    fields = merged(fields, added)
    if not fields:
        raise ConfigError(f"Nothing to run: {words.nothing}.")
    try:
        return RunConfig.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(_explain(error, file, words)) from None


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of both, those of ``over`` where both have one; sections are merged in turn."""
    fields = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(fields.get(key), Mapping)
        fields[key] = merged(fields[key], value) if both else value
    return fields


def set_field(fields: dict[str, Any], setting: str) -> None:
    """Set a field from ``key=value``, a dotted key and a YAML value, in place.

    Raises:
        ConfigError: it is no such text.
    """
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
        section[key] = [absolute(v, base) for v in value] if isinstance(value, list) else absolute(value, base)
    if str(fields.get("recipe")).endswith((".yaml", ".yml")):
        fields["recipe"] = absolute(fields["recipe"], base)
    roi = fields.get("roi")
    if isinstance(roi, dict) and str(roi.get("model")).endswith((".onnx", ".yaml", ".yml")):
        roi["model"] = absolute(roi["model"], base)


def absolute(path: Any, base: Path) -> Any:
    """Return a path as an absolute one, relative ones from a folder; anything else, and urls, as they are.

    Raises:
        ConfigError: no file can have this path.
    """
    if not isinstance(path, str | Path) or "://" in str(path):
        return path
    try:
        return str((base / Path(path).expanduser()).resolve())
    except (ValueError, OSError, RuntimeError) as error:  # a zero byte, a loop of links, a home folder of nobody
        raise ConfigError(f"{str(path)[:80]!r} is no path ({error}).") from None


def _explain(error: ValidationError, file: Path | None, words: Words) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    where = f"Run file '{file}'" if file else words.given
    if key == "full_reference":
        return f"{where}: SSIM and MS-SSIM are measures now: take 'full_reference' out, and run miqd measure --measures ssim."
    if first["type"] == "extra_forbidden":
        sections: dict[str, type[BaseModel]] = {"source": SourceConfig, "roi": RoiConfig}
        owner = sections.get(str(first["loc"][0]) if len(first["loc"]) > 1 else "", RunConfig)
        return f"{where}: unknown field '{key}'.{did_you_mean(str(first['loc'][-1]), owner.model_fields)}"
    if first["type"] == "missing":
        return f"{where}: the field '{key}' is missing. Add it, or give it with {words.setting(key)}"
    return f"{where}: {key} = {first['input']!r}: {first['msg'].removeprefix('Value error, ')}."
