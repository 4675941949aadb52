"""The card of a trained model: what it learned from, how good it is, and where it is weak."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from machine_iqa.data.labelled import Labelled
from machine_iqa.training.config import TrainingConfig
from machine_iqa.training.figures import Figure, overall
from machine_iqa.training.files import sources
from miqd_builder.errors import MiqdError
from miqd_builder.store.environment import package_versions
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.splits import SplitName
from miqd_builder.zoo.catalog import load_zoo, shipped_zoo

WORST = 3
"""Distortions that are named for each output."""
NAMED = 20
"""Lost images that are named; the rest is in ``lost.txt``."""


def card(config: TrainingConfig, parts: Mapping[SplitName, Labelled], figures: Sequence[Figure], lost: Sequence[str]) -> str:
    """Return the card as Markdown.

    Args:
        config: how it was trained.
        parts: labelled images by split.
        figures: of the test split.
        lost: images that couldn't be read, and why.
    """
    outputs = ", ".join(f"{output.task} {output.label}" for output in config.outputs)
    sections = [
        f"# {config.name}\n\nNetwork `{config.network}`, trained to predict: {outputs}. Scores: 0 (bad) to 1 (good).",
        _data(config, parts),
        _models(config, parts["train"]),
        _figures(figures),
        _weak_spots(figures),
        _how(config),
    ]
    if lost:
        named = "\n".join(f"- {line}" for line in lost[:NAMED])
        more = f"\n- and {len(lost) - NAMED} more, see lost.txt" if len(lost) > NAMED else ""
        sections.append(f"## Images that couldn't be read ({len(lost)})\n\n{named}{more}")
    return "\n\n".join(sections) + "\n"


def _data(config: TrainingConfig, parts: Mapping[SplitName, Labelled]) -> str:
    # Names alone: a card travels, the paths in config.yaml don't.
    places = [place.rstrip("/").rpartition("/")[2] for place in (*config.runs, str(config.data_path or "")) if place]
    rows = [(name, str(sources(part)), str(part.images), *map(str, part.counts())) for name, part in parts.items()]
    head = ("split", "sources", "images", *(f"labels {output.task} {output.label}" for output in config.outputs))
    how = f"by hash of the source id, seed {config.split_seed}" if config.train_csv is None else "by the published lists"
    recipes = ", ".join(f"{task}: {recipe}" for task, recipe in sorted(parts["train"].recipes.items()))
    lines = ["## Data", "", *(f"- {place}" for place in places), "", f"Recipes: {recipes}. Split {how}, never by variant.", ""]
    return "\n".join([*lines, table(head, rows)])


def _models(config: TrainingConfig, data: Labelled) -> str:
    licences = _licences(config)
    lines = ["## Models that labelled", ""]
    for task, names in sorted(data.labelled_by.items()):
        told = (f"{name} ({licences.get((task, name), 'licence not known: its zoo file is gone')})" for name in names)
        lines.append(f"- {task}: {', '.join(told) or 'not known (imported labels)'}")
    return "\n".join(
        [*lines, "", f"Numbers that these models gave are used here. Licence of the network's weights: {config.licence}"]
    )


def _licences(config: TrainingConfig) -> dict[tuple[str, str], str]:
    """Licences by task and name, from the zoo that ships and the zoo files of the runs, as far as they are there."""
    files = list(shipped_zoo())
    for url in config.runs:
        record = RunRecord.load(RunFolder(url))
        files += [Path(zoo) for command in (record.commands if record else []) for zoo in command.config.get("zoo", [])]
    found: dict[tuple[str, str], str] = {}
    for file in dict.fromkeys(files):
        with contextlib.suppress(MiqdError):
            found |= {(one.task, one.name): one.license or "no licence stated" for one in load_zoo([file])}
    return found


def _figures(figures: Sequence[Figure]) -> str:
    head = ("task", "label", "images", "SRCC", "PLCC", "RMSE", "mean absolute error")
    rows = [
        (
            figure.task,
            figure.label,
            str(figure.n),
            _interval(figure.srcc, figure.srcc_low, figure.srcc_high),
            _interval(figure.plcc, figure.plcc_low, figure.plcc_high),
            f"{figure.rmse:.3f}",
            f"{figure.mae:.3f}",
        )
        for figure in overall(list(figures))
    ]
    words = "On the test split, with the weights that validation chose; 95 % intervals over source images."
    return f"## Figures\n\n{words}\n\n{table(head, rows)}"


def _weak_spots(figures: Sequence[Figure]) -> str:
    lines = ["## Weak spots", "", "Distortions with the largest mean absolute error on the test split."]
    for one in overall(list(figures)):
        of_output = [f for f in figures if (f.task, f.label) == (one.task, one.label) and f.subset.startswith("distortion=")]
        known = sorted((f for f in of_output if f.mae == f.mae), key=lambda f: -f.mae)
        named = (f"{f.subset.partition('=')[2]} {f.mae:.3f} (SRCC {_number(f.srcc)}, n {f.n})" for f in known[:WORST])
        lines.append(f"- {one.task} {one.label}: {'; '.join(named)}")
    return "\n".join(lines)


def _how(config: TrainingConfig) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(package_versions().items()))
    return f"## How\n\nSeed {config.seed}; all fields are in config.yaml. {versions}."


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def _interval(value: float, low: float, high: float) -> str:
    return _number(value) if low != low else f"{_number(value)} [{low:.3f}, {high:.3f}]"


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"
