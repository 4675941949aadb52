"""The format for the registry: one sample an image, ``<key>.png`` beside ``<key>.json``."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from miqd_builder.errors import ConfigError
from miqd_builder.formats.contract import Format, Publisher
from miqd_builder.formats.publication import card
from miqd_builder.formats.publication.content import PublishedImage, RunContent
from miqd_builder.formats.publication.described import Publication
from miqd_builder.formats.publication.recipe import recipe_files
from miqd_builder.formats.publication.run_parts import RunParts
from miqd_builder.formats.publication.shard import Shard, WrittenShard
from miqd_builder.formats.publication.sharding import numbered
from miqd_builder.formats.webdataset.reading import READER
from miqd_builder.formats.webdataset.tars import add_file, stored_inputs, stored_rows, tar_headers, to_json
from miqd_builder.store.streams import HashedStream
from miqd_builder.tables.schema import ORIGINAL
from miqd_builder.tasks import TASKS

CONFIG = "default"
TAR_BYTES = 1_000_000_000
"""Of one file: its images uncompressed, so that it has half of this and more."""
Report = Callable[[int], None]


def sample_key(source_id: str, name: str) -> str:
    """Return the key of a sample: without dots, which would end it.

    Examples:
        >>> sample_key("a.b", "fog_3")
        'a%2Eb_fog_3'
    """
    return quote(f"{source_id}_{name}").replace(".", "%2E")


def _shards(publication: Publication) -> list[Shard]:
    if publication.images == "none":
        raise ConfigError(
            "Format webdataset holds images: give --images all or sample, or --format huggingface for labels alone."
        )
    shards: list[Shard] = []
    for index, run in enumerate(publication.runs):
        parts = RunParts(index, run, [*publication.annotations_sha256, publication.images])
        among = publication.sample if publication.images == "sample" else None
        labels = [f"labels/task={own.task}" for own in run.tasks]
        found = parts.images(CONFIG, "images", folder="", also=labels, among=among, names=parts.names(), limit=TAR_BYTES)
        shards += found
    ordered = sorted(shards, key=lambda shard: shard.split)
    return numbered(ordered, lambda split, number, count: f"{split}-{number:05d}-of-{count:05d}.tar")


def _write(shard: Shard, content: RunContent, stream: HashedStream, report: Report) -> int:
    """Write a tar file."""
    count = 0
    file: Any = stream
    headers = tar_headers(shard.inputs)
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT, pax_headers=headers) as tar:
        for source_id in shard.sources:
            for key, image, sample in _samples(shard, content, source_id):
                add_file(tar, f"{key}{image.suffix}", image.data)
                add_file(tar, f"{key}.json", to_json(sample))
                count += 1
                report(1)
    return count


def _samples(shard: Shard, content: RunContent, source_id: str) -> Iterator[tuple[str, PublishedImage, dict[str, Any]]]:
    photo, index = content.photo(source_id), content.class_index(source_id)
    about = {"licence": photo.name, "licence_url": photo.url, "class_index": index, "split": shard.split}
    known = {row["degradation"]: row for part in content.rows("variants", [source_id]) for row in part.to_pylist()}
    labels: dict[str, dict[str, Any]] = {}
    for task in content.labelled_tasks:
        for part in content.rows("labels", [source_id], task=task):
            for row in part.to_pylist():
                labels.setdefault(row["degradation"], {})[task] = row
    wanted = shard.names or (ORIGINAL, *known)
    names = [name for name in wanted if name == ORIGINAL or name in known]
    for image in content.images(source_id, names):
        row = known.get(image.name, {"source_id": source_id, "degradation": ORIGINAL})
        sha256 = hashlib.sha256(image.pixels.tobytes()).hexdigest()
        sample = {**row, "pixel_sha256": sha256, **about, "labels": labels.get(image.name, {})}
        yield sample_key(source_id, image.name), image, sample


def _whole_files(publication: Publication, shards: Sequence[Shard], written: Mapping[str, WrittenShard]) -> dict[str, bytes]:
    meaning = "one sample an image: the file, and beside it a JSON with severities, hash, licence and the labels of each task"
    return {**recipe_files(publication, None), card.NAME: card.card(publication, shards, lambda config: meaning, _loading)}


def _loading(config: str, split: str) -> str:
    return (
        "```python\nimport webdataset as wds\n\n"
        f'samples = wds.WebDataset("{split}-{{00000..NNNNN}}-of-NNNNN.tar").decode("rgb8")  # "png", "json", "__key__"\n'
        "```\n\n"
        f'`datasets.load_dataset("OWNER/NAME", split="{split}", streaming=True)` reads them too.'
    )


WEBDATASET = Format(
    "webdataset",
    TASKS,
    reader=READER,
    publisher=Publisher(_shards, _write, stored_inputs, stored_rows, _whole_files, images="all"),
)
