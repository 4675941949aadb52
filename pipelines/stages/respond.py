"""Stage 2: run every model on every image of a part; the predictions go into ``responses``."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

from miqd_builder.errors import MiqdError
from miqd_builder.sources import SourceImage
from miqd_builder.tables.images import Named, PartImages
from pipelines.context import open_planned
from pipelines.schedulers import Again, Report
from pipelines.stages.degrade import FATAL, PartResult
from pipelines.stages.items import RespondPart
from pipelines.stages.model_part import ModelPart
from pipelines.stages.read_ahead import read_ahead

Seconds = defaultdict[str, float]


def respond_part(item: RespondPart, report: Report) -> PartResult:
    """Run some models on the images of one part and write their parts of ``responses``.

    Args:
        item: which part and models.
        report: called with the number of images done, counted once a model.
    """
    import cv2

    cv2.setNumThreads(1)
    context = open_planned(item.run)
    images = context.images(item.part)
    seconds: Seconds = defaultdict(float)
    models = [ModelPart(open_planned(planned.run), item.part, planned, images) for planned in item.planned]
    sources = context.part_sources(list(models[0].lineage.sources))
    with closing(read_ahead(_batches(images, sources, models, seconds))) as batches:
        # Models load while the first images are rendered or decoded.
        with timed(seconds, "load models"):
            for model in models:
                if any(model.wanted(source.source_id) for source in sources):
                    model.adapter()
        while True:
            with timed(seconds, "wait for images"):
                source_id, batch = next(batches, (None, []))
            if source_id is None:
                break
            for model in models:
                if isinstance(batch, MiqdError):
                    model.lose(source_id, batch)
                else:
                    _predict(model, source_id, batch, seconds, report)
    result = PartResult(seconds=seconds)
    broken = [(model.planned, model.broken) for model in models if model.broken is not None]
    if broken and context.config.joins_cluster:
        _, error = broken[0]
        result.again = Again.because(replace(item, planned=tuple(planned for planned, _ in broken)), error)
        models = [model for model in models if model.broken is None]
    with timed(seconds, "write"):
        for model in models:
            model.write(result)
    return result


def _batches(
    images: PartImages, sources: Sequence[SourceImage], models: Sequence[ModelPart], seconds: Seconds
) -> Iterator[tuple[str, list[Named] | MiqdError]]:
    """Yield the images that the models are still to be run on, in batches of one source; or the error of a source."""
    step = "decode" if images.stored else "render"
    for source in sources:
        wanted = {name for model in models for name in model.wanted(source.source_id)}
        names = [name for name in images.names(source.source_id) if name in wanted]
        batches = images.batches(source, names)
        try:
            while True:
                with timed(seconds, step):
                    batch = next(batches, None)
                if batch is None:
                    break
                yield source.source_id, batch
        except FATAL:
            raise
        except MiqdError as error:
            yield source.source_id, error


def _predict(model: ModelPart, source_id: str, batch: list[Named], seconds: Seconds, report: Report) -> None:
    names = set(model.wanted(source_id))
    own = [(name, pixels) for name, pixels in batch if name in names]
    if not own:
        return
    _, pixels = own[0]
    if not model.accepts(source_id, *pixels.shape[:2]):
        report(len(own))
        return
    with timed(seconds, "load models"):
        adapter = model.adapter()
    if adapter is not None:
        start = time.perf_counter()
        model.predict(adapter, source_id, own)
        steps = adapter.spent() or {"predict": time.perf_counter() - start}
        for step, spent in steps.items():
            seconds[f"{step}:{model.entry.name}"] += spent
    report(len(own))


@contextmanager
def timed(seconds: Seconds, step: str) -> Iterator[None]:
    """Add the time that a block takes to the seconds of a step."""
    start = time.perf_counter()
    yield
    seconds[step] += time.perf_counter() - start
