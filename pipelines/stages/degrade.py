"""Stage 1: from source images to degraded images and the ``variants`` table."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

import degradations
from miqd_builder.errors import ConfigError, StaleCodeError, StoreError
from miqd_builder.roi.stored import source_mask
from miqd_builder.sources import SourceImage
from miqd_builder.sources.png import encode_png
from miqd_builder.store.keys import PartKey
from miqd_builder.store.parts import Footer, read_footer, read_part, write_part
from miqd_builder.store.quarantine import Failure, write_failures
from miqd_builder.tables.candidates import Psnrs, valid_candidates, write_candidates
from miqd_builder.tables.lineage import VariantsLineage
from miqd_builder.tables.schema import CODED_VARIANTS, VARIANTS, image_path, table_path
from pipelines.context import Context, open_planned, reusable_rows
from pipelines.schedulers import Again, Report
from pipelines.stages.items import DegradePart

Row = dict[str, Any]
FATAL = (ConfigError, StoreError, StaleCodeError, MemoryError)
"""Errors that would also hit every other image: they end the run instead of filling the quarantine."""


@dataclass
class PartResult:
    """Result of a stage for one part.

    Attributes:
        computed: rows computed.
        reused: rows taken over from an earlier part.
        failures: number of quarantined things.
        notes: what a user should know, such as empty ROI masks.
        seconds: time spent by stage step.
        undefined: new rows without a value, by measure.
        again: rest of the work that another worker should try, since this one can't; see :class:`pipelines.schedulers.Again`.
    """

    computed: int = 0
    reused: int = 0
    failures: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    undefined: Counter[str] = field(default_factory=Counter)
    again: Again | None = None


def degrade_part(item: DegradePart, report: Report) -> PartResult:
    """Render the degraded images of one part, write them, and write its parts of ``candidates`` and ``variants``.

    Args:
        item: which part.
        report: called with the number of images done.
    """
    import cv2

    cv2.setNumThreads(1)
    context = open_planned(item.run)
    part, lineage = item.part, item.lineage
    name = table_path("variants", part)
    footer = read_footer(context.folder, name)
    kept = _reusable_rows(context, name, footer, lineage)
    psnrs = valid_candidates(context.folder, part, lineage.candidates)
    result, rows, failures = PartResult(), [], []
    for source in context.part_sources(list(lineage.sources)):
        wanted = [n for n in context.names if (source.source_id, n) not in kept]
        try:
            context.check_source(source, lineage.sources[source.source_id])
            rendered = _degrade_source(context, source, wanted, psnrs, report, result)
            new = {row["degradation"]: row for row in rendered}
        except FATAL:
            raise
        except Exception as error:
            failures.append(Failure.of(error, stage="degrade", source_id=source.source_id))
            new = {}
        rows += [row for n in context.names if (row := new.get(n) or kept.get((source.source_id, n)))]
        result.computed += len(new)
    result.reused, result.failures = len(rows) - result.computed, len(failures)
    if context.config.images == "png":
        context.folder.flush()
    write_failures(context.folder, str(PartKey("degrade", part)), failures)
    coded = any(row.get("bytes") is not None for row in rows)
    table = pa.Table.from_pylist(rows, schema=CODED_VARIANTS if coded else VARIANTS)
    write_candidates(context.folder, part, psnrs, lineage.candidates, complete=not failures)
    write_part(context.folder, name, table, lineage, complete=not failures)
    return result


def write_contact_sheet(context: Context, path: Path) -> None:
    """Write a picture of the first source image in every distortion and severity, as this run would render it."""
    from degradations.contact_sheet import contact_sheet

    source = context.sources.images[0]
    image = source.read()
    mask = source_mask(context.folder, context.config.roi, source, image)
    sheet = contact_sheet(image, mask, source_id=source.source_id, seed=context.config.seed)
    try:
        path.write_bytes(encode_png(sheet))
    except OSError as error:
        raise StoreError(f"Can't write '{path}' ({error.strerror}): choose another file.") from None


def _reusable_rows(
    context: Context, name: str, footer: Footer | None, wanted: VariantsLineage
) -> Mapping[tuple[str, str], Row]:
    if footer is None:
        return {}
    rows = {(row["source_id"], row["degradation"]): row for row in read_part(context.folder, name).to_pylist()}
    return {key: rows[key] for key in reusable_rows(list(rows), footer.lineage, wanted)}


def _degrade_source(
    context: Context,
    source: SourceImage,
    names: list[str],
    psnrs: Psnrs,
    report: Report,
    result: PartResult,
) -> Iterator[Row]:
    """Render and write the variants of one source, one row each; ``psnrs`` of its candidates are used and completed."""
    if not names:
        return
    image = source.read()
    mask = source_mask(context.folder, context.config.roi, source, image, keep=True)
    if not mask.any() or mask.all():
        result.notes.append(f"The ROI mask of '{source.source_id}' is {'full' if mask.any() else 'empty'}.")
    if context.config.images == "png":
        context.folder.remove_temporary_images([source.source_id])
    known, seed = psnrs[source.source_id], context.config.seed
    for variant in degradations.render(image, mask, source_id=source.source_id, seed=seed, names=names, psnrs=dict(known)):
        d = variant.degradation
        if variant.candidate_psnrs:
            known.setdefault(d.distortion, list(variant.candidate_psnrs))
        file_name = image_path(source.source_id, d.name)
        if context.config.images == "png":
            context.folder.write(f"images/{file_name}", encode_png(variant.pixels), flush=False)
        report(1)
        yield {
            "source_id": source.source_id,
            "degradation": d.name,
            "distortion": d.distortion,
            "category": d.category,
            "region": d.region,
            "roi_severity": d.roi_severity,
            "bg_severity": d.bg_severity,
            "file_name": file_name,
            "height": image.shape[0],
            "width": image.shape[1],
            "psnr": variant.psnr,
            "candidate_roi": variant.candidate_roi,
            "candidate_bg": variant.candidate_bg,
            "pixel_sha256": hashlib.sha256(variant.pixels.tobytes()).hexdigest(),
            "bytes": variant.bytes,
            "bits_per_pixel": None if variant.bytes is None else 8 * variant.bytes / (image.shape[0] * image.shape[1]),
        }
