"""The stage ``measure``: compute quality measures of the degraded images of a part; the values go into ``measures``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import MiqdError
from miqd_builder.tables.images import Named, PartImages
from pipelines.context import Context, open_planned
from pipelines.schedulers import Again, Report
from pipelines.stages.degrade import FATAL, PartResult
from pipelines.stages.items import MeasurePart
from pipelines.stages.measure_rows import COPIED, MeasureRows
from pipelines.stages.read_ahead import read_ahead
from pipelines.stages.seconds import Seconds

Image = NDArray[np.uint8]


def measure_part(item: MeasurePart, report: Report) -> PartResult:
    """Compute some measures of the images of one part and write their parts of ``measures``.

    Args:
        item: which part and measures; every image is read or rendered once for all of them.
        report: called with the number of images done, counted once a measure.
    """
    import cv2

    cv2.setNumThreads(1)
    context = open_planned(item.run)
    images = context.images(item.part)
    seconds = Seconds()
    rows = [MeasureRows(context, item.part, planned, images) for planned in item.planned]
    for one in rows:
        if one.name in COPIED:
            report(one.copy(one.name))
    _measure(context, images, [one for one in rows if one.name not in COPIED], seconds, report)
    result = PartResult()
    broken = [(one.planned, one.broken) for one in rows if one.broken is not None]
    if broken and context.config.joins_cluster:
        _, error = broken[0]
        result.again = Again.because(replace(item, planned=tuple(planned for planned, _ in broken)), error)
        rows = [one for one in rows if one.broken is None]
    with seconds.timed("write"):
        for one in rows:
            one.write(result)
    result.seconds = dict(seconds)
    return result


def _measure(context: Context, images: PartImages, rows: Sequence[MeasureRows], seconds: Seconds, report: Report) -> None:
    with closing(read_ahead(_batches(context, images, rows, seconds))) as batches:
        while True:
            with seconds.timed("wait for images"):
                found = next(batches, None)
            if found is None:
                return
            source_id, images_or_error = found
            for one in rows:
                if isinstance(images_or_error, MiqdError):
                    one.lose(source_id, images_or_error)
                else:
                    _measure_batch(one, source_id, *images_or_error, seconds, report)


def _measure_batch(
    one: MeasureRows, source_id: str, reference: Image, batch: list[Named], seconds: Seconds, report: Report
) -> None:
    wanted = set(one.wanted(source_id))
    own = [(name, pixels) for name, pixels in batch if name in wanted]
    if not own:
        return
    with seconds.timed("load measures"):
        scorer = one.scorer()
    if scorer is not None:
        with seconds.timed(f"measure:{one.name}"):
            one.measure(scorer, source_id, reference, own)
    report(len(own))


def _batches(
    context: Context, images: PartImages, rows: Sequence[MeasureRows], seconds: Seconds
) -> Iterator[tuple[str, tuple[Image, list[Named]] | MiqdError]]:
    """Yield the images that are still to be measured, in batches of one source with its pixels; or the error of a source."""
    step = "decode" if images.stored else "render"
    sources = rows[0].planned.lineage.sources if rows else {}
    for source in context.part_sources(list(sources)):
        wanted = {name for one in rows for name in one.wanted(source.source_id)}
        if not wanted:
            continue
        try:
            context.check_source(source, sources[source.source_id])
            reference = source.read()
            batches = images.batches(source, [name for name in images.names(source.source_id) if name in wanted])
            while True:
                with seconds.timed(step):
                    batch = next(batches, None)
                if batch is None:
                    break
                yield source.source_id, (reference, batch)
        except FATAL:
            raise
        except MiqdError as error:
            yield source.source_id, error
