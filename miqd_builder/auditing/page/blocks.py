"""A block of the report: a statistic with its definition, its drawing, what it rests on and all of its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from miqd_builder.auditing.document import Statistic, TaskDocument
from miqd_builder.auditing.page.numbers import extent
from miqd_builder.auditing.page.tables import Table, values_table


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing of several of the same kind, with its heading."""

    title: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a block shows of a statistic.

    Attributes:
        panels: small drawings side by side.
        legend: colour and name of the lines in them.
        heat: what the ends of the heat colours mean; empty where there are none.
        tables: tables that are open.
        words: a sentence on how to read it.
        complete: whether the open tables hold all values, so that none need be folded.
    """

    panels: Sequence[Panel] = ()
    legend: Sequence[tuple[int, str]] = ()
    heat: tuple[str, str] | None = None
    tables: Sequence[Table] = ()
    words: str = ""
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """What the template shows.

    Attributes:
        title, definition: of the statistic.
        notes: what it rests on: severities, baseline, interval, n.
        drawn: its drawings and open tables.
        values: tables of all values, folded.
    """

    title: str
    definition: str
    notes: Sequence[str]
    drawn: Drawn
    values: Sequence[Table]


@dataclass(frozen=True, slots=True)
class Missing:
    """Statistics that are absent for the same reason."""

    names: Sequence[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Spec:
    """How a block is made.

    Attributes:
        names: of its statistics; the first one gives title, definition and notes.
        draw: draws the first one; None leaves the tables of values.
        title: in place of the statistic's own.
    """

    names: tuple[str, ...]
    draw: Callable[[TaskDocument, Statistic], Drawn] | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under one heading, and what is missing there."""

    title: str
    slug: str
    blocks: Sequence[Block]
    missing: Sequence[Missing]


def section(of: TaskDocument, title: str, slug: str, specs: Sequence[Spec]) -> Section:
    """Return a section of the blocks whose statistics are there, and the reasons of the others."""
    blocks = [block for spec in specs if (block := _block(of, spec)) is not None]
    names = {name for spec in specs for name in spec.names}
    return Section(title, slug, blocks, missing(of.absent, names))


def statistic_block(statistic: Statistic, drawn: Drawn, others: Sequence[Statistic] = (), title: str = "") -> Block:
    """Return the block of a statistic, with all values of others folded below its own."""
    folded = others if drawn.complete else (statistic, *others)
    values = [values_table(one) for one in folded]
    return Block(title or statistic.title, statistic.definition, notes(statistic), drawn, values)


def missing(absent: Mapping[str, str], names: set[str]) -> list[Missing]:
    """Return why statistics, or labels of them, are absent: those of these names, together where the reason is the same."""
    reasons: dict[str, list[str]] = {}
    for name, reason in absent.items():
        if name.partition(".")[0] in names:
            reasons.setdefault(reason, []).append(wording(name))
    return [Missing(of, reason) for reason, of in reasons.items()]


def wording(name: str) -> str:
    """Return the name of a statistic, or of one of its labels, in words: "grid decline (accuracy)"."""
    statistic, _, label = name.partition(".")
    words = statistic.replace("_", " ")
    return f"{words} ({label.replace('_', ' ')})" if label else words


def notes(statistic: Statistic) -> list[str]:
    """Return what the values of a statistic rest on, a phrase each."""
    said = [
        f"Values: {statistic.unit}",
        f"Rests on {statistic.severities}",
        f"Against {statistic.baseline}" if statistic.baseline else "",
    ]
    said += [f"Intervals: {statistic.interval}" if statistic.interval else "No intervals"]
    said += [f"Computed from {statistic.sample}" if statistic.sample else ""]
    labels = dict.fromkeys(record.label for record in statistic.records)
    extents = {label: extent([r for r in statistic.records if r.label == label]) for label in labels}
    if len(set(extents.values())) == 1:
        return [one for one in (*said, next(iter(extents.values()))) if one]
    return [one for one in (*said, *(f"{label}: {text}" for label, text in extents.items())) if one]


def _block(of: TaskDocument, spec: Spec) -> Block | None:
    there = [of.statistics[name] for name in spec.names if name in of.statistics]
    if not there:
        return None
    drawn = Drawn()
    if spec.draw is not None and spec.names[0] in of.statistics:
        drawn = spec.draw(of, there[0])
    return statistic_block(there[0], drawn, there[1:], spec.title)
