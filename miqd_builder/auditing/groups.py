"""Labels by region, category and distortion, and which differences between them are certain."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from miqd_builder.auditing.cells import REGIONS, Cells
from miqd_builder.auditing.declines import SCORE, add_means_and_declines
from miqd_builder.auditing.found import Found
from miqd_builder.auditing.label_means import LABELS, Group, LabelMeans

UNIFORM_SEVERITIES = "all uniform severities"
ONE_DISTORTION = "the run has one distortion"
NO_PAIRS = "no distortion has both a stronger ROI and a stronger background"


def by_group(labels: LabelMeans) -> Found:
    """Return ``region``, ``category``, ``distortion`` with their declines, and the differences of regions and distortions."""
    found, cells = Found(), labels.cells
    add_means_and_declines(
        found,
        labels,
        "region",
        _regions(cells),
        title="Labels by where the distortion is stronger",
        definition="Mean label over the images of one region: uniform, stronger in the ROI, stronger in the background.",
        severities="all severities of the region",
    )
    add_means_and_declines(
        found,
        labels,
        "category",
        [
            Group(_uniform(cells, [n for n, of in cells.categories.items() if of == category]), {"category": category})
            for category in dict.fromkeys(cells.categories.values())
        ],
        title="Labels by category of distortion",
        definition="Mean label over the images degraded everywhere by a distortion of the category.",
        severities=UNIFORM_SEVERITIES,
    )
    distortions = _distortions(cells)
    add_means_and_declines(
        found,
        labels,
        "distortion",
        distortions,
        title="Labels by distortion",
        definition="Mean label over the images degraded everywhere by the distortion.",
        severities=UNIFORM_SEVERITIES,
    )
    _differences(found, labels, distortions)
    return found


def _differences(found: Found, labels: LabelMeans, distortions: list[Group]) -> None:
    interval = labels.resampling.text()
    found.add(
        "region_difference",
        labels.difference_records(_region_pairs(labels.cells)),
        title="Distortion in the ROI against distortion in the background",
        definition="Mean label where the distortion is stronger in the ROI, less that where it is stronger in the background.",
        unit=SCORE,
        severities="all pairs of severities of which the mirrored one is there",
        baseline="the images with the severities of ROI and background exchanged",
        interval=interval,
        why_not=NO_PAIRS,
        labels=LABELS,
    )
    found.add(
        "distortion_difference",
        labels.difference_records(
            [(Group(a.cells, a.keys | {"other": b.keys["distortion"]}), b) for a, b in combinations(distortions, 2)]
        ),
        title="Differences between distortions",
        definition="Mean label under one distortion less that under the other, on the same images.",
        unit=SCORE,
        severities=UNIFORM_SEVERITIES,
        baseline="the other distortion",
        interval=interval,
        why_not=ONE_DISTORTION,
        labels=LABELS,
    )


def _uniform(cells: Cells, distortions: list[str]) -> np.ndarray:
    return np.array([code for code in cells.uniform if cells.all[code].distortion in distortions], np.int64)


def _distortions(cells: Cells) -> list[Group]:
    names = ((name, category, cells.uniform_of(name)) for name, category in cells.categories.items())
    return [Group(codes, {"distortion": name, "category": category}) for name, category, codes in names if len(codes)]


def _regions(cells: Cells) -> list[Group]:
    groups = [Group(cells.where(region=region), {"region": region}) for region in REGIONS]
    for name, category in cells.categories.items():
        keys: dict[str, str | int] = {"distortion": name, "category": category}
        groups += [Group(cells.where(region=region, distortion=name), keys | {"region": region}) for region in REGIONS]
    return [group for group in groups if len(group.cells)]


def _region_pairs(cells: Cells) -> list[tuple[Group, Group]]:
    """Cells of stronger ROI and the mirrored ones: of all distortions together, then of each."""
    code_of = {(cell.distortion, cell.roi_severity, cell.bg_severity): code for code, cell in enumerate(cells.all)}
    by_distortion: dict[str, list[tuple[int, int]]] = {}
    for (name, roi, background), code in code_of.items():
        mirrored = code_of.get((name, background, roi))
        if roi > background and mirrored is not None:
            by_distortion.setdefault(name, []).append((code, mirrored))
    every = [pair for pairs in by_distortion.values() for pair in pairs]
    sides: list[tuple[dict[str, str | int], list[tuple[int, int]]]] = [({}, every)] if every else []
    sides += [({"distortion": n, "category": cells.categories[n]}, pairs) for n, pairs in by_distortion.items()]
    return [(Group(np.array([a for a, _ in pairs]), keys), Group(np.array([b for _, b in pairs]), {})) for keys, pairs in sides]
