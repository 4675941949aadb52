"""``evaluation.json``, ``evaluation.md`` and ``evaluation.tex``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from machine_iqa.evaluation.run import Evaluation
from machine_iqa.training.card import table
from miqd_builder.benchmarking.report import TaskBenchmark, interval, number
from miqd_builder.errors import StoreError

JSON, MARKDOWN, LATEX = "evaluation.json", "evaluation.md", "evaluation.tex"
HEAD = ("measure", "n", "SRCC", "of ceiling", "PLCC", "KRCC", "RMSE")


def write_evaluation(found: Evaluation, folder: Path) -> Path:
    """Write the three files and return the Markdown page.

    Raises:
        StoreError: the folder can't be written.
    """
    content = {JSON: to_json(found), MARKDOWN: to_markdown(found), LATEX: to_latex(found)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in content.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"Can't write the report to '{folder}' ({error.strerror}): choose another folder.") from None
    return folder / MARKDOWN


def to_json(found: Evaluation) -> str:
    """Return all records, null for NaN."""
    content = {
        "records": [record.to_json() for task in found.tasks for record in task.records],
        "filtering": [record for one in found.filtering for record in one.to_json()],
        "transfer": [_plain(asdict(one)) for one in found.transfer],
        "held_out": [_plain(asdict(one)) for one in found.held_out],
        "twins": [_plain(asdict(one)) for one in found.twins],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def to_markdown(found: Evaluation) -> str:
    """Return the evaluation as a page."""
    words = "SRCC is positive where a measure orders images as the label does; brackets hold 95 % intervals over source images."
    sections = [f"# Evaluation\n\n{words} `degradation_mean` looks at no picture."]
    for task in found.tasks:
        sections.append(f"## {task.task}\n\n{task.images:,} degraded images of {task.sources:,} sources; {task.basis}.")
        for label in task.labels:
            sections.append(f"### {task.task}: {label}\n\n{table(HEAD, list(_overall(task, label)))}")
    sections += [_transfer(found), _twins(found), _held_out(found), _filtering(found)]
    return "\n\n".join(section for section in sections if section) + "\n"


def to_latex(found: Evaluation) -> str:
    """Return the benchmark over all images as LaTeX tables (booktabs), one a task."""
    tables = []
    for task in found.tasks:
        labels = task.labels
        lines = [
            r"\begin{tabular}{l" + "rr" * len(labels) + "}",
            r"\toprule",
            " & ".join(["", *(rf"\multicolumn{{2}}{{c}}{{{label}}}" for label in labels)]) + r" \\",
            " & ".join([task.task, *["SRCC & PLCC"] * len(labels)]) + r" \\",
            r"\midrule",
        ]
        by_label = [{record.measure: record for record in task.overall(label)} for label in labels]
        for measure in by_label[0]:
            cells = [cell for one in by_label for cell in (number(one[measure].srcc), number(one[measure].plcc))]
            lines.append(" & ".join([measure.replace("_", r"\_"), *cells]) + r" \\")
        tables.append("\n".join([*lines, r"\bottomrule", r"\end{tabular}"]))
    return "\n\n".join(tables) + "\n"


def _overall(task: TaskBenchmark, label: str) -> Iterable[Sequence[str]]:
    for one in task.overall(label):
        srcc = f"{number(one.srcc)} {interval(one.srcc_low, one.srcc_high)}".rstrip()
        yield one.measure, str(one.n), srcc, number(one.of_ceiling, 2), number(one.plcc), number(one.krcc), number(one.rmse)


def _transfer(found: Evaluation) -> str:
    if not found.transfer:
        return ""
    tests = [task.task for task in found.tasks]
    cells = {
        (one.model, one.label, one.train_task, one.test_task): f"{number(one.srcc)} {interval(one.srcc_low, one.srcc_high)}"
        for one in found.transfer
    }
    rows = [(*key, *(cells.get((*key, test), "-") for test in tests)) for key in dict.fromkeys(key[:3] for key in cells)]
    return f"## Across tasks (SRCC)\n\n{table(('model', 'label', 'scores for', *tests), rows)}"


def _twins(found: Evaluation) -> str:
    rows = [
        (one.task, one.label, one.measure, str(one.n), f"{number(one.share)} {interval(one.low, one.high)}")
        for one in found.twins
        if one.n
    ]
    if not rows:
        return ""
    words = "Pairs with the same severities swapped between ROI and background, whose labels differ by more than 0.2."
    return f"## Twins\n\n{words}\n\n{table(('task', 'label', 'measure', 'pairs', 'ordered rightly'), rows)}"


def _held_out(found: Evaluation) -> str:
    if not found.held_out:
        return ""
    halves = {(one.task, one.half): one.models for one in found.held_out}
    told = [f"- {task}, half {half}: {', '.join(models)}" for (task, half), models in halves.items()]
    values = {(one.task, one.label, one.measure, one.half): one for one in found.held_out}
    keys = dict.fromkeys(key[:3] for key in values)
    rows = [(*key, *(_srcc(values.get((*key, half))) for half in "ab")) for key in keys]
    head = ("task", "label", "measure", "half a", "half b")
    return "\n".join(["## Labels of half of the models (SRCC)", "", *told, "", table(head, rows)])


def _srcc(one: Any) -> str:
    return "-" if one is None else f"{number(one.srcc)} {interval(one.srcc_low, one.srcc_high)}".rstrip()


def _filtering(found: Evaluation) -> str:
    if not found.filtering:
        return ""
    rows = [(one.task, one.label, one.measure, number(one.mean_random), number(one.mean_area, 4)) for one in found.filtering]
    words = "Area between what models reach as low scores are left out, and at random; all curves are in evaluation.json."
    return f"## Filtering\n\n{words}\n\n{table(('task', 'label', 'measure', 'random', 'area'), rows)}"


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and value != value else value for name, value in record.items()}
