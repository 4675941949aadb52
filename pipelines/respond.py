"""Stage 2: every model looks at every image of a part; what it said goes into ``responses``."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from miqd_builder.errors import MiqdError
from miqd_builder.sources import SourceImage
from miqd_builder.store.quarantine import Failure
from pipelines.context import open_zoo, task_context
from pipelines.degrade import FATAL, PartResult
from pipelines.model_part import ModelPart
from pipelines.schedulers import Report, Task
from pipelines.variant_images import PartImages


def respond_part(task: Task, report: Report) -> PartResult:
    """Show the images of one part to some models and write their parts of ``responses``.

    Args:
        task: ``config``, ``run``, ``task``, ``part`` and ``models`` (names; they share every image that is read).
        report: called with the number of images done, counted once a model.
    """
    context = task_context(task)
    zoo = open_zoo(context.config)
    ids = context.record.parts[task["part"]]
    images = PartImages(context, task["part"])
    result = PartResult(seconds=defaultdict(float))
    models = [ModelPart(context, task["task"], task["part"], zoo[name], ids, images) for name in task["models"]]
    for source in context.part_sources(ids):
        _show_source(images, source, models, report, result)
    for model in models:
        with _timed(result, "write"):
            model.write(result)
    result.seconds = dict(result.seconds)
    return result


def _show_source(images: PartImages, source: SourceImage, models: list[ModelPart], report: Report, result: PartResult) -> None:
    wanted = [(model, set(model.wanted(source.source_id))) for model in models]
    union = [name for name in images.names(source.source_id) if any(name in names for _, names in wanted)]
    if not union:
        return
    try:
        batches = images.batches(source, union)
        while True:
            with _timed(result, "read"):
                batch = next(batches, None)
            if batch is None:
                return
            for model, names in wanted:
                own = [(name, pixels) for name, pixels in batch if name in names]
                if not own:
                    continue
                with _timed(result, "load models"):
                    adapter = model.adapter()
                if adapter is not None:
                    with _timed(result, f"predict {model.entry.name}"):
                        model.look(adapter, source, own)
                report(len(own))
    except FATAL:
        raise
    except MiqdError as error:
        for model, _ in wanted:
            model.failures.append(Failure.of(error, stage="respond", source_id=source.source_id, model=model.entry.name))


@contextmanager
def _timed(result: PartResult, step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    result.seconds[step] += time.perf_counter() - start
