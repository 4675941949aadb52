"""The plan of a repository: which Parquet files there are, and what each is made from."""

from __future__ import annotations

from collections.abc import Iterator

import degradations
from miqd_builder.formats.publication.described import Publication, PublishedRun
from miqd_builder.formats.publication.run_parts import RunParts
from miqd_builder.formats.publication.shard import Shard
from miqd_builder.formats.publication.sharding import numbered

IMAGE_BYTES = 490_000_000
"""Of a file of images: their pixels uncompressed, so that it stays below the limit whatever the images show."""
SOURCE_BYTES = 20_000
PREVIEWED = 10
"""Degradations that the preview shows of each source."""
PREVIEW_SOURCES = 8


def plan_shards(publication: Publication) -> list[Shard]:
    """Return the files of a repository.

    Args:
        publication: what is published.
    """
    shards: list[Shard] = []
    for index, run in enumerate(publication.runs):
        parts = RunParts(index, run)
        several = len(publication.runs) > 1
        shards += _labels(run, parts)
        shards += parts.table("variants", "variants", "variants")
        annotated = RunParts(index, run, publication.annotations_sha256)
        shards += annotated.sources("sources", sources_folder(index) if several else "sources", SOURCE_BYTES)
        shards += _with_pixels(publication, run, annotated)
    # Files of several runs in one folder are numbered through.
    ordered = sorted(shards, key=lambda shard: (shard.path, shard.split))
    return numbered(ordered, lambda split, number, count: f"{split}-{number:05d}-of-{count:05d}.parquet")


def sources_folder(index: int) -> str:
    """Return the folder of the table of sources of one of several runs."""
    return f"sources/run-{index + 1}"


def _labels(run: PublishedRun, parts: RunParts) -> Iterator[Shard]:
    """Files of tables without images; those of one model or measure have a folder of their own."""
    for own in run.tasks:
        yield from parts.table(f"labels-{own.task}", f"labels-{own.task}", "labels", task=own.task)
        for table in ("scores", "responses"):
            for model in own.models:
                config = f"{table}-{own.task}"
                yield from parts.table(config, f"{config}/{model}", table, task=own.task, model=model)
    for measure in run.measures:
        yield from parts.table("measures", f"measures/{measure}", "measures", measure=measure)


def _with_pixels(publication: Publication, run: PublishedRun, parts: RunParts) -> Iterator[Shard]:
    if publication.images == "none":
        return
    everything = publication.images == "all"
    config = "images" if everything else "images-sample"
    among = None if everything else publication.sample
    yield from parts.images(config, "images", among=among, names=parts.names(), limit=IMAGE_BYTES)
    task, model = publication.preview_model or (None, None)
    if task is None or task not in {own.task for own in run.tasks}:
        return
    shown = frozenset(sorted(publication.sample & {i for ids in run.splits.values() for i in ids})[:PREVIEW_SOURCES])
    names = previewed(run)
    yield from parts.images("preview", "preview", among=shown, names=names, limit=IMAGE_BYTES, task=task, model=model)


def previewed(run: PublishedRun) -> tuple[str, ...]:
    """Return the degradations that a preview shows: the strongest uniform one of each distortion, at most ten."""
    found: dict[str, tuple[int, str]] = {}
    for name in run.record.degradations:
        parsed = degradations.parse(name)
        if parsed.region == "uniform":
            found[parsed.distortion] = max(found.get(parsed.distortion, (0, "")), (parsed.roi_severity, name))
    chosen = [name for _, name in found.values()] or list(run.record.degradations)
    return tuple(chosen[:PREVIEWED])
