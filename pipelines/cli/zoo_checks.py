"""What ``miqd zoo verify`` does and shows: a line a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from miqd_builder.zoo.entry import ModelEntry
from pipelines.cli.terminal import out


def verify_models(entries: Sequence[ModelEntry]) -> int:
    """Check the models in this process, with their checkpoints where they are on disk; returns how many failed."""
    from miqd_builder.zoo.check.contract import verify_model

    failed = without = 0
    for number, entry in enumerate(entries, 1):
        verdict = verify_model(entry)
        failed += verdict.problem is not None
        without += verdict.weights == "random"
        weights = "" if verdict.weights == "checkpoint" else ", with random weights: its checkpoint is not on disk"
        _show(f"[{number}/{len(entries)}] {entry.name} ({entry.task})", verdict.problem, f"ok{weights}")
    _summary(len(entries), failed, f"{without} without their checkpoints" if without else "")
    return failed


def measure_models(
    entries: Sequence[ModelEntry], results: Path | None, *, again: bool, table: Path | None, csv: Path | None
) -> int:
    """Check and measure the models with random weights, each in its own process; returns how many failed.

    Args:
        entries: which models.
        results: where measurements are kept; None for the file in the cache folder.
        again: measure what was measured before again.
        table: Markdown file to write all of them to.
        csv: CSV file to write all of them to.
    """
    from miqd_builder.zoo.check.sweep import sweep
    from miqd_builder.zoo.check.sweep_table import csv_text, markdown
    from miqd_builder.zoo.weights.cache import cache_folder

    results = results or cache_folder() / "zoo-sweep.jsonl"
    measurements = []
    for number, found in enumerate(sweep(entries, results, again=again), 1):
        measurements.append(found)
        figures = f"{found.params} M parameters, {found.gflops} GFLOPs, {found.peak_mib} MiB, {found.ms} ms"
        detections = "" if found.found is None else f", {found.found} detections"
        _show(f"[{number}/{len(entries)}] {found.name} ({found.task})", found.problem, f"ok, {figures}{detections}")
    failed = sum(found.problem is not None for found in measurements)
    _summary(len(entries), failed, f"measurements in {results}")
    for file, text in ((table, markdown), (csv, csv_text)):
        if file is not None:
            file.write_text(text(entries, measurements), encoding="utf-8")
            out.print(f"Table in {file}", style="green")
    return failed


def _show(name: str, problem: str | None, good: str) -> None:
    out.print(f"{name}: {problem or good}", style="red" if problem else "green", markup=False)


def _summary(checked: int, failed: int, remark: str) -> None:
    text = f"Checked {checked} models, {failed} with problems{'; ' if remark else ''}{remark}."
    out.print(text, style="red" if failed else "green", markup=False)
