"""Bring a run folder of layout 1 to the present one, in place."""

from __future__ import annotations

from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer, read_part, write_part
from miqd_builder.store.record import LAYOUT, RunRecord
from miqd_builder.tables.candidates import write_candidates
from miqd_builder.tables.lineage import VariantsLineage
from miqd_builder.tables.schema import table_path

_PSNRS = "candidate_psnrs"


def migrate(folder: RunFolder, record: RunRecord) -> bool:
    """Move the candidates' PSNRs out of the footers of ``variants`` into ``candidates``, and write ``run.json`` anew.

    Rows and content hashes stay, so that nothing has to be computed again. Every file is replaced as a whole, and only after
    its former content is in another file; ``run.json`` comes last, so that an interrupted migration is resumed.

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
        _move_candidates(folder, part)
    record.write(folder)
    return True


def _move_candidates(folder: RunFolder, part: int) -> None:
    name = table_path("variants", part)
    footer = read_footer(folder, name)
    lineage = footer.lineage if footer is not None else None
    if footer is None or not isinstance(lineage, VariantsLineage) or _PSNRS not in footer.extra:
        return
    write_candidates(folder, part, footer.extra[_PSNRS], lineage.candidates, complete=footer.complete)
    extra = {key: value for key, value in footer.extra.items() if key != _PSNRS}
    write_part(folder, name, read_part(folder, name), lineage, complete=footer.complete, extra=extra)
