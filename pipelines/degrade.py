"""Stage 1: from source images to degraded images and the ``variants`` table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

import degradations
from miqd_builder.errors import ConfigError, StaleCodeError, StoreError
from miqd_builder.full_reference import full_reference
from miqd_builder.images import encode_png
from miqd_builder.roi.stored import source_mask
from miqd_builder.sources import SourceImage
from miqd_builder.store.keys import PartKey
from miqd_builder.store.parts import Footer, read_footer, read_part, write_part
from miqd_builder.store.quarantine import Failure, write_failures
from miqd_builder.store.schema import image_path, table_path, variants_schema
from pipelines.context import Context, item_context, reusable_rows
from pipelines.items import DegradePart, WorkItem
from pipelines.schedulers import Report

Row = dict[str, Any]
Psnrs = dict[str, dict[str, list[float]]]
"""PSNR of each candidate, by source and distortion."""

PSNRS = "candidate_psnrs"
FATAL = (ConfigError, StoreError, StaleCodeError, MemoryError)
"""Errors that no other image would escape: they end the run instead of filling the quarantine."""


@dataclass
class PartResult:
    """What a stage did with one part.

    Attributes:
        computed: rows computed.
        reused: rows taken over from an earlier part.
        failures: number of quarantined things.
        notes: what a user should know, such as empty ROI masks.
        seconds: time spent by stage step.
        again: what another worker should try, since this one could not.
    """

    computed: int = 0
    reused: int = 0
    failures: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    again: WorkItem | None = None


def degrade_part(item: DegradePart, report: Report) -> PartResult:
    """Render the degraded images of one part, write them, and write its part of ``variants``.

    Args:
        item: which part.
        report: called with the number of images done.
    """
    import cv2

    cv2.setNumThreads(1)
    context = item_context(item)
    part, inputs = item.part, dict(item.inputs)
    measures = inputs.get("full_reference", [])
    name = table_path("variants", part)
    footer = read_footer(context.folder, name)
    kept = _reusable_rows(context, name, footer, inputs)
    psnrs = _reusable_psnrs(footer, inputs)
    result, rows, failures = PartResult(), [], []
    for source in context.part_sources(list(inputs["sources"])):
        wanted = [n for n in context.names if (source.source_id, n) not in kept]
        try:
            context.check_source(source, inputs["sources"][source.source_id])
            rendered = _degrade_source(context, source, wanted, psnrs, measures, report, result)
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
    table = pa.Table.from_pylist(rows, schema=variants_schema(measures))
    write_part(context.folder, name, table, inputs, complete=not failures, extra={PSNRS: psnrs})
    return result


def write_contact_sheet(context: Context, path: Path) -> None:
    """Write a picture of the first source image in every distortion and severity, as this run would render it."""
    from miqd_builder.contact_sheet import contact_sheet

    source = context.sources.images[0]
    image = source.read()
    mask = source_mask(context.folder, context.config.roi, source, image)
    sheet = contact_sheet(image, mask, source_id=source.source_id, seed=context.config.seed)
    try:
        path.write_bytes(encode_png(sheet))
    except OSError as error:
        raise StoreError(f"Can't write '{path}' ({error.strerror}): choose another file.") from None


def variants_footer(context: Context, part: int) -> Footer | None:
    """Return the footer of a part of ``variants``; None where it isn't there."""
    return read_footer(context.folder, table_path("variants", part))


def candidate_psnrs(context: Context, part: int) -> Psnrs:
    """Return the stored PSNRs of the candidates of a part: whoever renders with them renders only what is needed."""
    footer = variants_footer(context, part)
    return footer.extra.get(PSNRS, {}) if footer is not None else {}


def _reusable_psnrs(footer: Footer | None, inputs: dict[str, Any]) -> Psnrs:
    """PSNRs of an earlier part that are still valid, for every source of the part: same source, same distortion."""
    psnrs: Psnrs = {source_id: {} for source_id in inputs["sources"]}
    if footer is None:
        return psnrs
    for source_id, distortions in footer.extra.get(PSNRS, {}).items():
        if inputs["sources"].get(source_id) == footer.inputs["sources"][source_id]:
            valid = (d for d in distortions if inputs["distortions"].get(d) == footer.inputs["distortions"][d])
            psnrs[source_id] = {d: distortions[d] for d in valid}
    return psnrs


def _reusable_rows(context: Context, name: str, footer: Footer | None, inputs: dict[str, Any]) -> Mapping[tuple[str, str], Row]:
    if footer is None:
        return {}
    rows = {(row["source_id"], row["degradation"]): row for row in read_part(context.folder, name).to_pylist()}
    return {key: rows[key] for key in reusable_rows(list(rows), footer.inputs, inputs)}


def _degrade_source(
    context: Context,
    source: SourceImage,
    names: list[str],
    psnrs: Psnrs,
    measures: Sequence[str],
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
            **(full_reference(measures, image, variant.pixels) if measures else {}),
        }
