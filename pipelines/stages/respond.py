"""Stage 2: run every model on every image of a part; the predictions go into ``responses``."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace

from miqd_builder.errors import MiqdError
from miqd_builder.tables.images import Named
from pipelines.context import open_planned
from pipelines.schedulers import Again, Report
from pipelines.stages.degrade import PartResult
from pipelines.stages.feed import Feed, feed_threads
from pipelines.stages.items import RespondPart
from pipelines.stages.model_part import ModelPart, resolve_device
from pipelines.stages.seconds import Seconds


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
    seconds = Seconds()
    models = [ModelPart(open_planned(planned.run), item.part, planned, images) for planned in item.planned]
    sources = context.part_sources(list(models[0].lineage.sources))
    threads = feed_threads(context.config.feed_threads, resolve_device(context.config.device), context.config.workers)
    feed = Feed(images, sources, models, seconds, threads)
    with closing(feed.batches()) as batches:
        # Models load while the first images are rendered or decoded.
        with seconds.timed("load models"):
            needed = [model for model in models if any(model.wanted(source.source_id) for source in sources)]
            adapters = [model.adapter() for model in needed]
            feed.prepare_for([adapter.preprocess for adapter in adapters if adapter is not None])
        while True:
            with seconds.timed("wait for images"):
                source_id, batch = next(batches, (None, []))
            if source_id is None:
                break
            for model in models:
                if isinstance(batch, MiqdError):
                    model.lose(source_id, batch)
                else:
                    _predict(model, source_id, batch, seconds, report)
    result = PartResult()
    broken = [(model.planned, model.broken) for model in models if model.broken is not None]
    if broken and context.config.joins_cluster:
        _, error = broken[0]
        result.again = Again.because(replace(item, planned=tuple(planned for planned, _ in broken)), error)
        models = [model for model in models if model.broken is None]
    with seconds.timed("write"):
        for model in models:
            model.write(result)
    result.seconds = dict(seconds)
    return result


def _predict(model: ModelPart, source_id: str, batch: list[Named], seconds: Seconds, report: Report) -> None:
    names = set(model.wanted(source_id))
    own = [(name, pixels) for name, pixels in batch if name in names]
    if not own:
        return
    _, pixels = own[0]
    if not model.accepts(source_id, *pixels.shape[:2]):
        report(len(own))
        return
    with seconds.timed("load models"):
        adapter = model.adapter()
    if adapter is not None:
        start = time.perf_counter()
        model.predict(adapter, source_id, own)
        steps = adapter.spent() or {"predict": time.perf_counter() - start}
        for step, spent in steps.items():
            seconds.add(f"{step}:{model.entry.name}", spent)
    report(len(own))
