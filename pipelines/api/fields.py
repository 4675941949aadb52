"""The run file's fields as keyword arguments, and what they and a run file together describe."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypedDict, TypeVar, get_type_hints

from miqd_builder.config import RunConfig, load_run
from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.sources import SOURCES
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import NAME
from miqd_builder.tasks import TASKS, Task, check_task
from miqd_builder.wording import COMMAND_LINE, PYTHON
from miqd_builder.zoo.catalog import load_zoo, shipped_zoo

P = ParamSpec("P")
R = TypeVar("R")

Settings = Sequence[str] | None
"""``key=value`` with a dotted key and a YAML value, as the command line's ``--set`` takes them."""

_LISTS = ("degradations", "plugins", "zoo", "models")
"""Fields that hold several values: a single one may be given as it is."""


class RunFields(TypedDict, total=False):
    """The fields of a run file; what is not given, or None, comes from the run file or is the field's default.

    Attributes:
        out: run folder, a path or a url such as ``s3://bucket/run``.
        seed: of every random draw; 0 by default.
        source: where the clean images and their ground truth are: ``{"kind": "imagenet" | "coco" | "folder", "images": folder,
            "labels": file, "annotations": file, ...}``; what it leaves out comes from the run file's.
        roi: where the regions of interest come from: ``{"kind": ..., "path": folder, "model": network}``; salient objects, or
            the spectral residual where their network isn't installed, by default.
        degradations: names or globs of degradations; all 250 by default.
        plugins: modules that register further distortions.
        images: ``png`` keeps the degraded images, ``none`` renders them in memory.
        zoo: zoo files; those that ship by default.
        models: names or globs of models; all of the task by default.
        recipe: rules that turn responses into labels: a name or a YAML file.
        weights: of the models: ``metric``, ``measured`` or ``uniform``.
        sources_per_part: source images in one part.
        models_per_pass: models that a worker holds at once.
        scheduler: ``inline`` (this process), ``dask`` (worker processes on this machine; the default) or ``tcp://host:port``.
        workers: worker processes; one a GPU, else one a core by default.
        worker_timeout: seconds to wait for a worker while there is none.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: of the networks: ``float32`` or ``bfloat16``.
        engine: what runs the networks on a CPU: ``torch`` or ``onnxruntime``.
        feed_threads: threads of a worker that make the images for its models; one on a CPU, a share of the cores on a GPU.
        limit: take the first source images only, so many.
    """

    out: str | Path | None
    seed: int | None
    source: Mapping[str, Any] | None
    roi: Mapping[str, Any] | None
    degradations: str | Sequence[str] | None
    plugins: str | Sequence[str] | None
    images: str | None
    zoo: str | Path | Sequence[str | Path] | None
    models: str | Sequence[str] | None
    recipe: str | Path | None
    weights: str | None
    sources_per_part: int | None
    models_per_pass: int | None
    scheduler: str | None
    workers: int | None
    worker_timeout: float | None
    device: str | None
    precision: str | None
    engine: str | None
    feed_threads: int | None
    limit: int | None


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function of the API: its signature lists the run file's fields, and an unknown keyword names the nearest."""
    signature = inspect.signature(function)
    given = list(signature.parameters.values())
    if given[-1].kind is inspect.Parameter.VAR_KEYWORD:
        given.pop()
        hints = get_type_hints(RunFields)
        given += [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=h) for n, h in hints.items()]
    known = [parameter.name for parameter in given]

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in known:
                raise TypeError(
                    f"{function.__name__}() got an unexpected keyword argument '{name}'.{did_you_mean(name, known)}"
                )
        return function(*args, **kwargs)

    checked.__signature__ = signature.replace(parameters=given)  # type: ignore[attr-defined]
    return checked


def resolve(run: str | Path | None, task: str | None, settings: Settings, fields: RunFields) -> RunConfig:
    """Return the run that a run file, its section for a task, and the keyword arguments describe.

    Raises:
        ConfigError: the file is missing, a field is unknown or of a wrong type; the message names it.
    """
    if task is not None:
        check_task(task)
    options: dict[str, Any] = dict(fields)
    for name in _LISTS:
        if isinstance(options.get(name), str | Path):
            options[name] = [options[name]]
        elif isinstance(options.get(name), tuple):
            options[name] = list(options[name])
    for name in ("source", "roi"):
        if isinstance(options.get(name), Mapping):
            options[name] = dict(options[name])
    for name in ("out", "recipe"):
        if isinstance(options.get(name), Path):
            options[name] = str(options[name])
    out = options.pop("out", None)
    words = PYTHON if settings is None else COMMAND_LINE
    return load_run(_path(run), task=task, settings=settings or [], out=out, words=words, **options)


def resolve_tasks(
    run: str | Path | None, task: str | Sequence[str] | None, settings: Settings, fields: RunFields
) -> dict[Task, RunConfig]:
    """Return the run of each task that was asked for, in the order of the tasks.

    ``all`` means every task of which the run file's models and source are: its zoo has a model of the task that it asks for,
    and its source can serve it.

    Raises:
        ConfigError: as for :func:`resolve`; a task is unknown, or none was asked for.
    """
    tasks = [task] if isinstance(task, str) else list(task or [])
    words = PYTHON if settings is None else COMMAND_LINE
    if not tasks:
        raise ConfigError(f"Which task? Give {words.option('task')} {'|'.join(TASKS)}, several of them, or all.")
    named = [check_task(name) for name in tasks if name != "all"]
    wanted = set(TASKS if "all" in tasks else named)
    configs = {name: resolve(run, name, settings, fields) for name in TASKS if name in wanted}
    if "all" in tasks:
        configs = {name: config for name, config in configs.items() if _describes(config, name)}
        if not configs:
            raise ConfigError(
                f"{words.option('task')} all: the run file has no model of a task that its source serves: "
                "correct models or zoo."
            )
    return configs


def _describes(config: RunConfig, task: Task) -> bool:
    """Tell whether a run file has models of a task, and a source for them."""
    zoo = load_zoo(config.zoo or shipped_zoo())
    return zoo.has(config.models, task) and task in SOURCES[config.source.kind].tasks


def run_folder(
    out: str | Path | None, *, run: str | Path | None = None, task: str | None = None, settings: Settings = None
) -> str:
    """Return the url of a run folder that is there: the given one, or that of the run file.

    Raises:
        ConfigError: there is no run, or the run file is wrong.
    """
    if task is not None:
        check_task(task)
    url = str(out) if out is not None and run is None else resolve(run, task, settings, {"out": out}).out
    if not RunFolder(url).exists(NAME):
        raise ConfigError(f"'{url}' holds no run: run 'miqd degrade' or 'miqd label' first, or correct --out.")
    return url


def _path(file: str | Path | None) -> Path | None:
    return None if file is None else Path(file)
