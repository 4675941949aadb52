"""Images to look at: of each distortion, the one that hurts most at the least visible damage, and the least affected one."""

from __future__ import annotations

from collections.abc import Iterator

from miqd_builder.auditing.document import Record
from miqd_builder.auditing.found import Found
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import part_names
from miqd_builder.tables.views import files_sql, open_database

_VALUES = """
    select distortion, category,
           min(struct_pack(value := value, psnr := -psnr, source_id, degradation, roi_severity, bg_severity)) as worst,
           max(struct_pack(value := value, psnr := -psnr, source_id, degradation, roi_severity, bg_severity)) as unaffected
    from (select *, coalesce(composite, consistency_weighted) as value from {labels})
    where value is not null group by all order by category, distortion
"""


def extremes(folder: RunFolder, task: str) -> Found:
    """Return ``extremes``."""
    found = Found()
    found.add(
        "extremes",
        _records(folder, task),
        title="Worst and unaffected images",
        definition="Of each distortion, the image of lowest composite (consistency without ground truth), of equal ones that "
        "of highest PSNR, and the image of highest composite, of equal ones that of lowest PSNR.",
        unit="score",
        severities="all severities of all regions",
        why_not="no image has a label",
    )
    return found


def _records(folder: RunFolder, task: str) -> Iterator[Record]:
    with open_database(folder) as database:
        sql = _VALUES.format(labels=files_sql(folder, part_names(folder, "labels", task=task)))
        for distortion, category, worst, unaffected in database.execute(sql).fetchall():
            for label, image in (("worst", worst), ("unaffected", unaffected)):
                keys = {name: value for name, value in image.items() if name != "psnr"}
                yield Record(label=label, n=1, sources=1, distortion=distortion, category=category, **keys)
