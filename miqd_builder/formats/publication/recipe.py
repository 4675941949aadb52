"""The folder ``recipe``: what regenerates the pixels and says how the labels were made; nothing in it names this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

import degradations
from miqd_builder.errors import MiqdError
from miqd_builder.formats.publication.described import Publication, PublishedRun
from miqd_builder.labeling.recipes import get_recipe
from miqd_builder.zoo.catalog import load_zoo, shipped_zoo
from miqd_builder.zoo.entry import ModelEntry

FOLDER = "recipe"


def recipe_files(publication: Publication, sources: list[str] | None) -> dict[str, bytes]:
    """Return the files of the folder by their path.

    Args:
        publication: what is published.
        sources: folder of the table of sources of each run; None for a format without one, which can't be rendered again.
    """
    files: dict[str, bytes] = {}
    for index, run in enumerate(publication.runs):
        end = f"-{index + 1}" if len(publication.runs) > 1 else ""
        if sources is not None:
            files[f"{FOLDER}/run{end}.yaml"] = _run_file(run, sources[index])
        files[f"{FOLDER}/zoo{end}.yaml"] = _zoo(run)
        files[f"{FOLDER}/versions{end}.json"] = _versions(run)
    return files


def _run_file(run: PublishedRun, sources: str) -> bytes:
    """A run file that ``miqd degrade --from`` takes; only the folder of the clean images is missing."""
    up = f"../{sources}"
    fields: dict[str, Any] = {
        "seed": run.record.seed,
        "source": {"kind": "published", "labels": up},
        "roi": {"kind": "published", "path": up},
        "degradations": list(run.record.degradations),
        "images": run.record.images,
    }
    plugins = sorted({module for config in run.configs for module in config.plugins})
    if plugins:
        fields["plugins"] = plugins
    head = (
        "# Renders the degraded images of this data set again:\n"
        "#   miqd degrade --from . --set source.images=FOLDER --out runs/again\n"
        "# FOLDER holds the clean images; their names and hashes are in the configuration 'sources'.\n"
    )
    return (head + yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)).encode()


def _zoo(run: PublishedRun) -> bytes:
    """Entries of the models, without the folders of their files."""
    entries: dict[tuple[str, str], ModelEntry] = {}
    for config in run.configs:
        try:
            found = load_zoo(config.zoo or shipped_zoo())
        except MiqdError:  # a zoo file that is gone; its hash is in the versions
            continue
        entries |= {(entry.task, entry.name): entry for entry in found}
    wanted = [(own.task, model) for own in run.tasks for model in own.models]
    models = [_without_folders(entries[key]) for key in wanted if key in entries]
    lost = [f"{task}/{model}" for task, model in wanted if (task, model) not in entries]
    note = f"# No zoo file has these models any more: {', '.join(lost)}\n" if lost else ""
    return (note + yaml.safe_dump({"models": models}, sort_keys=False, allow_unicode=True)).encode()


def _without_folders(entry: ModelEntry) -> dict[str, Any]:
    content: dict[str, Any] = entry.model_dump(mode="json", exclude_defaults=True)
    checkpoint = content.get("checkpoint") or {}
    if checkpoint.get("path"):
        checkpoint["path"] = Path(checkpoint["path"]).name
    config = content.get("config")
    if config and Path(config).is_absolute():
        content["config"] = Path(config).name
    return content


def _versions(run: PublishedRun) -> bytes:
    """Versions of packages and hashes of models, distortions and recipes."""
    names = dict.fromkeys(degradations.parse(name).distortion for name in run.record.degradations)
    environment = {key: value for key, value in run.record.environment.items() if key in ("os", "cpu", "cores", "gpu", "git")}
    commands = [
        {
            "command": command.command,
            "task": command.task,
            "recipe": _recipe(str(command.config.get("recipe", ""))),
            "weights": command.config.get("weights"),
            "precision": command.config.get("precision"),
            "models": command.hashes.get("models", {}),
        }
        for command in run.record.commands
    ]
    content = {
        "versions": run.record.versions,
        "environment": environment,
        "distortions": {name: degradations.content_hash(name) for name in names},
        "weights": {own.task: dict(own.weights) for own in run.tasks},
        "commands": commands,
    }
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def _recipe(name: str) -> dict[str, Any] | None:
    """The rules of a recipe and their hash; None for one that isn't known here."""
    try:
        recipe = get_recipe(name)
    except MiqdError:
        return None
    return {**recipe.model_dump(), "content_hash": recipe.content_hash()}
