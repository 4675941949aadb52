"""Stage 2: every model looks at every image of a part; what it said goes into ``responses``."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from miqd_builder.errors import MiqdError
from miqd_builder.sources import SourceImage
from miqd_builder.store.parts import read_part
from miqd_builder.store.quarantine import Failure
from miqd_builder.store.schema import ORIGINAL, table_path
from pipelines.context import Context, open_zoo, task_context
from pipelines.degrade import FATAL, PartResult
from pipelines.model_part import Hashes, ModelPart
from pipelines.schedulers import Report, Task
from pipelines.variant_images import image_batches


def respond_part(task: Task, report: Report) -> PartResult:
    """Show the images of one part to some models and write their parts of ``responses``.

    Args:
        task: ``config``, ``run``, ``task``, ``part`` and ``models`` (names; they share every image that is read).
        report: called with the number of images done, counted once a model.
    """
    context = task_context(task)
    zoo = open_zoo(context.config)
    ids = context.record.parts[task["part"]]
    hashes = _pixel_hashes(context, task["part"])
    result = PartResult(seconds=defaultdict(float))
    models = [ModelPart(context, task["task"], task["part"], zoo[name], ids, hashes) for name in task["models"]]
    for source in context.part_sources(ids):
        if source.source_id in hashes:
            _show_source(context, source, models, hashes[source.source_id], report, result)
    for model in models:
        with _timed(result, "write"):
            model.write(result)
    result.seconds = dict(result.seconds)
    return result


def _show_source(
    context: Context, source: SourceImage, models: list[ModelPart], hashes: dict[str, str], report: Report, result: PartResult
) -> None:
    wanted = [(model, set(model.wanted(source.source_id))) for model in models]
    union = [name for name in (ORIGINAL, *context.names) if any(name in names for _, names in wanted)]
    if not union:
        return
    try:
        batches = image_batches(context, source, union, hashes)
        while True:
            with _timed(result, "read"):
                batch = next(batches, None)
            if batch is None:
                return
            for model, names in wanted:
                images = [(name, pixels) for name, pixels in batch if name in names]
                if not images:
                    continue
                with _timed(result, "load models"):
                    adapter = model.adapter()
                if adapter is not None:
                    with _timed(result, f"predict {model.entry.name}"):
                        model.look(adapter, source, images)
                report(len(images))
    except FATAL:
        raise
    except MiqdError as error:
        for model, _ in wanted:
            model.failures.append(Failure.of(error, stage="respond", source_id=source.source_id, model=model.entry.name))


def _pixel_hashes(context: Context, part: int) -> Hashes:
    table = read_part(context.folder, table_path("variants", part), ["source_id", "degradation", "pixel_sha256"])
    hashes: Hashes = defaultdict(dict)
    for row in table.to_pylist():
        hashes[row["source_id"]][row["degradation"]] = row["pixel_sha256"]
    return dict(hashes)


@contextmanager
def _timed(result: PartResult, step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    result.seconds[step] += time.perf_counter() - start
