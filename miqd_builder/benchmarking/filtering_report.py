"""``report/filtering.json`` and a figure for each measure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from miqd_builder.benchmarking.figures import figure, file_name
from miqd_builder.benchmarking.filtering import RANDOM, REFERENCES, Filtering
from miqd_builder.benchmarking.pages import Block, Figure, Heading, Paragraph, Table
from miqd_builder.benchmarking.report import number
from miqd_builder.store.folder import RunFolder

JSON = "report/filtering.json"

INTRODUCTION = (
    "The share of images that a measure scores lowest is left out; the curve is what the models reach on the rest, averaged "
    "over the models. The area is that between the curve and random order. oracle orders by the label itself."
)


def write_filtering(folder: RunFolder, found: Sequence[Filtering]) -> dict[str, str]:
    """Write the numbers, and a figure for each task, label and measure; references are in the figures of the measures.

    Figures of an earlier call that are not among them are removed, so that all belong to the numbers.

    Returns:
        the figures, SVG, by their name in the run folder.
    """
    lines = ",\n".join(json.dumps(record, allow_nan=False) for one in found for record in one.to_json())
    figures = {}
    for one in found:
        if one.measure not in REFERENCES:
            others = [other for other in found if (other.task, other.label) == (one.task, one.label)]
            figures[file_name(one)] = figure(one, [other for other in others if other.measure in REFERENCES])
    for name in set(folder.list("report/filtering_*.svg")) - set(figures):
        folder.remove(name)
    for name, content in figures.items():
        folder.write(name, content.encode())
    folder.write(JSON, f"[\n{lines}\n]\n".encode())
    return figures


def filtering_page(found: Sequence[Filtering], figures: Mapping[str, str]) -> list[Block]:
    """Return what a page says of filtering curves: the means of the models as a table, and the figures.

    Args:
        found: the curves, references among them.
        figures: SVG by file.
    """
    if not found:
        return []
    blocks: list[Block] = [Heading(2, "Filtering curves"), Paragraph(INTRODUCTION)]
    for task, label in dict.fromkeys((one.task, one.label) for one in found):
        curves = [one for one in found if (one.task, one.label) == (task, label)]
        blocks += [Heading(3, f"{task}: {label}"), curve_table(curves)]
        names = (file_name(one) for one in curves)
        blocks += [Figure(figures[name], name.rpartition("/")[2]) for name in names if name in figures]
    return blocks


def curve_table(found: Sequence[Filtering]) -> Table:
    """Return what the models reach on average at some shares left out, a row a measure, that of random order first.

    Args:
        found: curves of one task and label.
    """
    shares = found[0].curves.shares
    shown = [*range(0, len(shares) - 1, 4), len(shares) - 1]
    rows = [[RANDOM, *[number(found[0].mean_random)] * len(shown), "-"]]
    rows += [[one.measure, *map(number, one.mean[shown]), number(one.mean_area, 4)] for one in found]
    return Table(("measure", *(f"{share:.1f}" for share in shares[shown]), "area"), rows)
