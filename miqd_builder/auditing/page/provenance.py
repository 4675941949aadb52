"""Where the numbers come from: the run, its commands, its models, and the software that made it."""

from __future__ import annotations

from miqd_builder.auditing.document import AuditDocument, CommandFacts, RunFacts
from miqd_builder.auditing.page.numbers import TASK_NAMES
from miqd_builder.auditing.page.tables import Table


def provenance(document: AuditDocument) -> list[Table]:
    """Return the tables of the report's last part."""
    run = document.run
    facts = [
        ("run folder", run.name),
        ("hash of the labels", run.content_hash),
        ("seed of the degradations", str(run.seed)),
        ("images", {"png": "stored as PNG", "none": "rendered when needed"}.get(run.images, run.images)),
        ("ROI masks", run.roi),
        ("source images, degradations, parts", f"{run.sources:,}, {run.degradations:,}, {run.parts:,}"),
        ("failures that the run recorded", f"{run.quarantined:,}"),
        ("intervals", _intervals(document)),
        ("baseline model of mCE", document.baseline_model or "none named"),
        ("layout of the run folder", str(run.layout)),
        *((name.replace("_", " "), "none" if value is None else str(value)) for name, value in run.environment.items()),
    ]
    tables = [
        Table("Run", ["", ""], facts, 2),
        _commands(run),
        _models(document),
        Table("Versions", ["package", "version"], list(run.versions.items()), 2),
    ]
    return [table for table in tables if table.rows]


def lead(run: RunFacts) -> str:
    """Return what the run is, in one line."""
    return f"{run.sources:,} source images, {run.degradations:,} degradations, seed {run.seed}."


def _intervals(document: AuditDocument) -> str:
    return f"{100 * document.confidence:g} %, {document.resamples:,} draws, seed {document.seed}"


def _commands(run: RunFacts) -> Table:
    head = ["command", "recipe", "weights", "SHA-256 of the run file", "zoo files and their SHA-256"]
    return Table("Commands that made it", head, [_command(command) for command in run.commands], 5)


def _command(command: CommandFacts) -> list[str]:
    zoo = ", ".join(f"{name} {digest}" for name, digest in command.zoo.items())
    return [command.command, *(value or "-" for value in (command.recipe, command.weights, command.run_file_sha256, zoo))]


def _models(document: AuditDocument) -> Table:
    rows = [
        [
            model.name,
            TASK_NAMES.get(task, task),
            "-" if model.weight is None else f"{model.weight:g}",
            model.content_hash or "-",
        ]
        for task, of in document.tasks.items()
        for model in of.models
    ]
    return Table("Models", ["model", "task", "weight in the labels", "content hash"], rows, 4)
