"""The whole page, from an audit document and a run's pictures."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2
from markupsafe import Markup

from miqd_builder.auditing.document import Against, AuditDocument, TaskDocument
from miqd_builder.auditing.page.answer import Sentence, against_words, answer
from miqd_builder.auditing.page.blocks import Block, Missing, Section, missing
from miqd_builder.auditing.page.charts import LEVELS
from miqd_builder.auditing.page.numbers import TASK_NAMES
from miqd_builder.auditing.page.pictures import Pictures
from miqd_builder.auditing.page.provenance import lead, provenance
from miqd_builder.auditing.page.sections import against_blocks, sections


@dataclass(frozen=True, slots=True)
class TaskPart:
    """One task in the page."""

    name: str
    slug: str
    lead: str
    answer: Sequence[Sentence]
    sections: Sequence[Section]
    pictures: Pictures | None


@dataclass(frozen=True, slots=True)
class ComparedTask:
    """Paired differences of one task in the page."""

    name: str
    lead: str
    words: Markup
    blocks: Sequence[Block]
    missing: Sequence[Missing]


@dataclass(frozen=True, slots=True)
class Compared:
    """The comparison with another run in the page."""

    name: str
    lead: str
    tasks: Sequence[ComparedTask]
    missing: Sequence[Missing]


def page(document: AuditDocument, pictures: Mapping[str, Pictures], links: Sequence[tuple[str, str]] = ()) -> str:
    """Return the report as one HTML page that needs no other file and no network.

    Args:
        document: content of ``report/audit.json``.
        pictures: of each task.
        links: names and addresses of pages beside it.
    """
    loader = jinja2.PackageLoader("miqd_builder.auditing", "page")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.globals.update(kind=_kind, levels=LEVELS)
    style = environment.get_template("style.css").render()
    return environment.get_template("page.html").render(
        style=Markup(style),
        style_hash=_csp_hash(style),
        run=document.run,
        lead=lead(document.run),
        confidence=f"{100 * document.confidence:g}",
        tasks=[_task(task, of, pictures.get(task)) for task, of in document.tasks.items()],
        against=_compared(document.against) if document.against is not None else None,
        provenance=provenance(document),
        links=links,
    )


def _task(task: str, of: TaskDocument, pictures: Pictures | None) -> TaskPart:
    models = f"{len(of.models)} models" if of.models else "scores of single models not known"
    said = (
        f"{of.rows:,} labels of {of.sources:,} source images, {models}, {len(of.distortions)} distortions, recipe {of.recipe}"
    )
    if of.rows_with_accuracy < of.rows:
        said += f"; {of.rows_with_accuracy:,} labels have a ground truth"
    if of.incomplete_rows:
        said += f"; {of.incomplete_rows:,} lack a model that failed"
    name = TASK_NAMES.get(task, task)
    return TaskPart(name, task, f"{said}.", answer(of), sections(of), pictures)


def _compared(against: Against) -> Compared:
    return Compared(
        against.run.name,
        f"Differences of this run less {against.run.name} (labels {against.run.content_hash}): {lead(against.run)}",
        [
            ComparedTask(
                TASK_NAMES.get(task, task),
                f"{of.rows:,} labels of {of.sources:,} source images are in both; {of.only_here:,} here only, "
                f"{of.only_there:,} there only.",
                against_words(of),
                against_blocks(of),
                missing(of.absent, {name.partition(".")[0] for name in of.absent}),
            )
            for task, of in against.tasks.items()
        ],
        missing(against.absent, set(against.absent)),
    )


def _kind(cell: str | Markup, named: bool) -> Markup:
    """Class of a table's cell: drawings are Markup, the columns that name a row are text, the rest is numbers."""
    if isinstance(cell, Markup):
        return Markup(' class="drawn"')
    return Markup(' class="name"') if named else Markup("")


def _csp_hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
