"""``report/filtering.json`` and a figure for each measure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from miqd_builder.benchmarking.figures import figure, file_name
from miqd_builder.benchmarking.filtering import REFERENCES, Filtering
from miqd_builder.store.folder import RunFolder

JSON = "report/filtering.json"


def write_filtering(folder: RunFolder, found: Sequence[Filtering]) -> list[str]:
    """Write the numbers, and a figure for each task, label and measure; references are in the figures of the measures.

    Figures of an earlier call that are not among them are removed, so that all belong to the numbers.

    Returns:
        names of the figures in the run folder.
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
    return list(figures)
