"""Zoo files into a catalog of models, and models out of it by name and pattern."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.yaml_files import read_mapping
from miqd_builder.zoo.entry import ModelEntry

SHIPPED_ZOO = Path(__file__).resolve().parents[2] / "model_zoo_configs"


class Catalog:
    """The models of one or more zoo files, in the order of the files."""

    def __init__(self, entries: Iterable[ModelEntry]) -> None:
        self._entries = {entry.name: entry for entry in entries}

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, name: str) -> ModelEntry:
        """Return the model of this name.

        Raises:
            ConfigError: there is none; names the nearest.
        """
        if name not in self._entries:
            raise ConfigError(f"Unknown model {name!r}.{did_you_mean(name, self._entries)}")
        return self._entries[name]

    def find(
        self, pattern: str = "*", *, task: str | None = None, family: str | None = None, license: str | None = None
    ) -> list[ModelEntry]:
        """Return the models, of all tasks unless one is given, that match every filter, in zoo order.

        Args:
            pattern: of names (``*``, ``?``, ``[..]``).
            task: cls, det, ins or seg.
            family: pattern, upper or lower case.
            license: pattern, upper or lower case.

        Raises:
            ConfigError: a filter leaves none; names the nearest values that it could have had.
        """
        chosen = list(self)
        for field, wanted in (("name", pattern), ("task", task), ("family", family), ("license", license)):
            if wanted is None:
                continue
            values = {entry.name: getattr(entry, field) or "" for entry in chosen}
            chosen = [entry for entry in chosen if _matches(values[entry.name], wanted, exactly=field == "name")]
            if not chosen:
                what = f"Unknown model {wanted!r}" if field == "name" else f"No model with {field} {wanted!r}"
                raise ConfigError(f"{what}.{did_you_mean(wanted, dict.fromkeys(values.values()))}")
        return chosen

    def has(self, patterns: Sequence[str], task: str) -> bool:
        """Tell whether a pattern matches a model of the task."""
        return any(entry.task == task and fnmatchcase(entry.name, pattern) for entry in self for pattern in patterns)

    def select(self, patterns: Sequence[str], task: str) -> list[ModelEntry]:
        """Return the models of a task whose name matches any of the patterns (``*``, ``?``, ``[..]``), in zoo order.

        A pattern may match models of other tasks only: one list of patterns serves a run file for all tasks.

        Raises:
            ConfigError: a pattern matches no model at all, or no model of the task is left.
        """
        of_task = [entry for entry in self if entry.task == task]
        for pattern in patterns:
            if not any(fnmatchcase(entry.name, pattern) for entry in self):
                known = [entry.name for entry in of_task]
                raise ConfigError(f"Unknown model {pattern!r} for task {task}.{did_you_mean(pattern, known)}")
        chosen = [entry for entry in of_task if any(fnmatchcase(entry.name, pattern) for pattern in patterns)]
        if not chosen:
            found = ", ".join(entry.name for entry in of_task[:8]) or "none"
            raise ConfigError(f"No model of task {task} matches {', '.join(patterns)}. Models of this task: {found}")
        return chosen


def _matches(value: str, pattern: str, *, exactly: bool) -> bool:
    return fnmatchcase(value, pattern) if exactly else fnmatchcase(value.lower(), pattern.lower())


def load_zoo(files: Sequence[str | Path]) -> Catalog:
    """Read zoo files into one catalog; relative paths inside a file are taken from its folder.

    Raises:
        ConfigError: a file is missing or no valid zoo file, or two models have one name.
    """
    origin: dict[str, Path] = {}
    entries: list[ModelEntry] = []
    for file in map(Path, files):
        for entry in _read_entries(file):
            if entry.name in origin:
                where = f"{origin[entry.name]} and {file}" if origin[entry.name] != file else str(file)
                raise ConfigError(f"Model {entry.name!r} is listed twice, in {where}. Rename one of them.")
            origin[entry.name] = file
            entries.append(entry)
    return Catalog(entries)


def shipped_zoo() -> tuple[Path, ...]:
    """Return the zoo files that ship with the project, without the weights of ROI kinds and measures."""
    others = {SHIPPED_ZOO / "roi.yaml", SHIPPED_ZOO / "measures.yaml"}
    return tuple(sorted(set(SHIPPED_ZOO.glob("*.yaml")) - others))


def _read_entries(file: Path) -> list[ModelEntry]:
    expected = "one key, 'models', with a list of entries"
    document = read_mapping("Zoo file", file, expected)
    if set(document) != {"models"} or not isinstance(document["models"], list):
        raise ConfigError(f"Zoo file '{file}' must hold {expected}.")
    folder = file.resolve().parent
    return [_read_entry(raw, number, file).relative_to(folder) for number, raw in enumerate(document["models"], 1)]


def _read_entry(raw: Any, number: int, file: Path) -> ModelEntry:
    if not isinstance(raw, dict):
        raise ConfigError(f"Zoo file '{file}', entry {number}: expected fields, got {raw!r}.")
    try:
        return ModelEntry.model_validate(raw)
    except ValidationError as error:
        name = repr(raw["name"]) if "name" in raw else f"number {number}"
        raise ConfigError(f"Zoo file '{file}', model {name}: {_first_problem(error)}") from error


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    field = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return f"unknown field {field!r}.{did_you_mean(field, ModelEntry.model_fields)}"
    if problem["type"] == "missing":
        return f"field {field!r} is missing."
    if field:
        return f"field {field!r}: {message}, got {problem['input']!r}."
    return message if message.endswith((".", "?")) else f"{message}."
