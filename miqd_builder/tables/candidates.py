"""The table ``candidates``: the PSNR of each distortion's candidate parameter sets on each source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from miqd_builder.errors import StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer, read_part, write_part
from miqd_builder.tables.lineage import CandidatesLineage
from miqd_builder.tables.schema import CANDIDATES, table_path

Psnrs = dict[str, dict[str, list[float]]]
"""PSNR of each candidate in dB, infinite for one that changes nothing; by source and distortion."""


def write_candidates(
    folder: RunFolder,
    part: int,
    psnrs: Mapping[str, Mapping[str, Sequence[float]]],
    lineage: CandidatesLineage,
    *,
    complete: bool = True,
) -> None:
    """Write a part of ``candidates``: a row for each source, distortion and candidate, in this order.

    Raises:
        StoreError: the disk is full or the folder can't be written.
    """
    rows = [
        {"source_id": source_id, "distortion": distortion, "candidate": number, "psnr": psnr}
        for source_id, of_source in sorted(psnrs.items())
        for distortion, values in sorted(of_source.items())
        for number, psnr in enumerate(values, start=1)
    ]
    table = pa.Table.from_pylist(rows, schema=CANDIDATES)
    write_part(folder, table_path("candidates", part), table, lineage, complete=complete)


def read_candidates(folder: RunFolder, part: int) -> Psnrs:
    """Return what a part of ``candidates`` holds; nothing where it is missing or damaged, since it can be computed again."""
    try:
        table = read_part(folder, table_path("candidates", part))
    except StoreError:
        return {}
    psnrs: Psnrs = {}
    for source_id, distortion, psnr in zip(*(table[name].to_pylist() for name in _COLUMNS), strict=True):
        psnrs.setdefault(source_id, {}).setdefault(distortion, []).append(psnr)
    return psnrs


def valid_candidates(folder: RunFolder, part: int, wanted: CandidatesLineage) -> Psnrs:
    """Return the PSNRs of an earlier part that are still valid, for every wanted source: same source, same distortion."""
    psnrs: Psnrs = {source_id: {} for source_id in wanted.sources}
    footer = read_footer(folder, table_path("candidates", part))
    old = footer.lineage if footer is not None else None
    if not isinstance(old, CandidatesLineage):
        return psnrs
    for source_id, known in read_candidates(folder, part).items():
        if source_id in psnrs and wanted.sources[source_id] == old.sources.get(source_id):
            valid = (d for d in known if d in wanted.distortions and wanted.distortions[d] == old.distortions.get(d))
            psnrs[source_id] = {d: known[d] for d in valid}
    return psnrs


_COLUMNS = ("source_id", "distortion", "psnr")
