"""What a document says about the run that its numbers come from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import PurePath

from miqd_builder.auditing.document import CommandFacts, RunFacts
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer
from miqd_builder.store.quarantine import read_failures
from miqd_builder.store.record import CommandRecord, RunRecord

EMPTY = RunRecord(0, "none", "none", [])


def run_facts(folder: RunFolder, parts: Sequence[str]) -> RunFacts:
    """Return where the numbers come from.

    Args:
        folder: the run folder.
        parts: names of the parts of labels that were read.
    """
    record = RunRecord.load(folder) or EMPTY
    footers = (read_footer(folder, name) for name in parts)
    stamps = "\n".join(f"{name} {footer.content_hash}" for name, footer in zip(parts, footers, strict=True) if footer)
    return RunFacts(
        name=folder.url.rstrip("/").rsplit("/", 1)[-1],
        content_hash=hashlib.sha256(stamps.encode()).hexdigest()[:32],
        seed=record.seed,
        images=record.images,
        roi=record.roi,
        layout=record.schema_version,
        sources=sum(len(part) for part in record.parts),
        degradations=len(record.degradations),
        parts=len(record.parts),
        quarantined=len(read_failures(folder)),
        versions=record.versions,
        environment=record.environment,
        commands=tuple(_command(command) for command in record.commands),
    )


def model_hashes(folder: RunFolder, task: str) -> dict[str, str]:
    """Return the content hash of each model that ``label`` last ran with."""
    record = RunRecord.load(folder) or EMPTY
    hashes = [command.hashes.get("models", {}) for command in record.commands if command.task == task]
    return {model: str(value) for models in hashes for model, value in models.items()}


def _command(command: CommandRecord) -> CommandFacts:
    zoo = command.hashes.get("zoo", {})
    return CommandFacts(
        command=str(command.key),
        recipe=_text(command.config.get("recipe")),
        weights=_text(command.config.get("weights")),
        run_file_sha256=_text(command.hashes.get("run_file")),
        zoo={PurePath(name).name: str(sha256) for name, sha256 in zoo.items()},
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
