"""Bring a run folder of an earlier layout to the present one, in place."""

from __future__ import annotations

import dataclasses

from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import Footer, read_footer, read_part, write_part
from miqd_builder.store.record import LAYOUT, RunRecord
from miqd_builder.tables.candidates import write_candidates
from miqd_builder.tables.lineage import MeasuresLineage, VariantsLineage
from miqd_builder.tables.measures import MOVED
from miqd_builder.tables.schema import MEASURES, VARIANTS, table_path

_PSNRS = "candidate_psnrs"


def migrate(folder: RunFolder, record: RunRecord) -> bool:
    """Move what layouts 1 and 2 had in ``variants`` into tables of their own, and write ``run.json`` anew.

    Layout 1 had the candidates' PSNRs in the footers; they go into ``candidates``. Both had SSIM and MS-SSIM as columns, where
    a run asked for them; they go into ``measures``, and labels are aggregated again. Rows stay, so that nothing has to be
    rendered or predicted again. Every file is replaced as a whole, and only after its former content is in another file;
    ``run.json`` comes last, so that an interrupted migration is resumed.

    Args:
        folder: the run folder, which must be held.
        record: its ``run.json``.

    Returns:
        whether there was anything to migrate.

    Raises:
        StoreError: the disk is full or a part is damaged.
    """
    if record.schema_version == LAYOUT:
        return False
    for part in range(len(record.parts)):
        name = table_path("variants", part)
        footer = read_footer(folder, name)
        lineage = footer.lineage if footer is not None else None
        if footer is not None and isinstance(lineage, VariantsLineage) and (lineage.full_reference or _PSNRS in footer.extra):
            _move(folder, part, footer, lineage)
    record.full_reference = []
    record.write(folder)
    return True


def _move(folder: RunFolder, part: int, footer: Footer, lineage: VariantsLineage) -> None:
    name = table_path("variants", part)
    table = read_part(folder, name)
    if _PSNRS in footer.extra:
        write_candidates(folder, part, footer.extra[_PSNRS], lineage.candidates, complete=footer.complete)
    for measure in lineage.full_reference:
        target = table_path("measures", part, measure=measure)
        if not folder.exists(target):
            values = table.select([*MEASURES.names[:2], measure]).rename_columns(MEASURES.names).cast(MEASURES)
            write_part(folder, target, values, _measured(measure, lineage), complete=footer.complete)
    extra = {key: value for key, value in footer.extra.items() if key != _PSNRS}
    present = dataclasses.replace(lineage, full_reference=())
    write_part(folder, name, table.select(VARIANTS.names), present, complete=footer.complete, extra=extra)


def _measured(measure: str, variants: VariantsLineage) -> MeasuresLineage:
    """Lineage of a column that was moved: ``miqd measure`` computes it again, since its code is not that of now."""
    return MeasuresLineage(
        name=measure,
        measure=MOVED,
        sources=variants.sources,
        distortions=variants.distortions,
        degradations=variants.degradations,
    )
