"""Labels by distortion and uniform severity, and on the 5x5 grid of severities in ROI and background."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from miqd_builder.auditing.declines import add_means_and_declines
from miqd_builder.auditing.document import Record
from miqd_builder.auditing.found import NO_UNIFORM, Found
from miqd_builder.auditing.label_means import Group, LabelMeans
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import part_names
from miqd_builder.tables.views import files_sql, open_database

_PSNR = """
    select distortion, category, roi_severity as severity, median(psnr) as value, count(psnr) as n,
           count(distinct source_id) filter (psnr is not null) as sources
    from {labels} where region = 'uniform' group by all order by category, distortion, severity
"""


def by_severity(labels: LabelMeans) -> Found:
    """Return ``severity``, ``grid`` and their declines."""
    found = Found()
    add_means_and_declines(
        found,
        labels,
        "severity",
        [_group(labels, int(code), grid=False) for code in labels.cells.uniform],
        title="Labels by distortion and severity",
        definition="Mean label over the images degraded by one distortion at one severity everywhere.",
        severities="one uniform severity each",
    )
    add_means_and_declines(
        found,
        labels,
        "grid",
        [_group(labels, code, grid=True) for code in range(len(labels.cells))],
        title="Labels by severity in the ROI and in the background",
        definition="Mean label over the images with one severity of a distortion in the ROI and one in the background.",
        severities="one pair of severities each; uniform ones on the diagonal",
    )
    return found


def psnr(folder: RunFolder, task: str) -> Found:
    """Return ``psnr``: the median of each distortion and uniform severity."""
    found = Found()
    found.add(
        "psnr",
        _psnr_records(folder, task),
        title="PSNR by distortion and severity",
        definition="Median PSNR of the images degraded by one distortion at one severity everywhere.",
        unit="dB",
        severities="one uniform severity each",
        baseline="the original images",
        why_not=NO_UNIFORM,
    )
    return found


def _psnr_records(folder: RunFolder, task: str) -> Iterator[Record]:
    with open_database(folder) as database:
        result = database.execute(_PSNR.format(labels=files_sql(folder, part_names(folder, "labels", task=task))))
        names = [column[0] for column in result.description]
        for row in result.fetchall():
            values = dict(zip(names, row, strict=True))
            # Without PSNR, or with equal images, there is no finite median.
            if values["value"] is not None and np.isfinite(values["value"]):
                yield Record(label="psnr", **values)


def _group(labels: LabelMeans, code: int, *, grid: bool) -> Group:
    cell = labels.cells.all[code]
    keys: dict[str, str | int] = {"distortion": cell.distortion, "category": cell.category}
    pair: dict[str, str | int] = {"roi_severity": cell.roi_severity, "bg_severity": cell.bg_severity}
    return Group(np.array([code]), keys | (pair if grid else {"severity": cell.roi_severity}))
