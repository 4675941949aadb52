"""A small labelled run whose photographs have licences, and what it becomes when it is published."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import miqd_builder as mb
from miqd_builder.formats.publication.shard import Shard
from pipelines.api import Published
from tests.conftest import make_data_set, toy_entry, write_run, write_zoo
from tests.formats.conftest import label

LICENCES = [{"id": 1, "name": "Attribution License", "url": "https://creativecommons.org/licenses/by/2.0/"}]
COUNT = 8
TASKS = ("det", "ins")


@dataclass(frozen=True)
class Small:
    """A run that can be labelled again with other models."""

    folder: Path
    run: Path

    @property
    def out(self) -> Path:
        """The run folder."""
        return self.folder / "out"

    @property
    def images(self) -> Path:
        """The clean images."""
        return self.folder / "data/images"

    def copy(self, to: Path) -> Small:
        """The same run in another folder, to be changed."""
        shutil.copytree(self.folder, to, dirs_exist_ok=True)
        for name in ("run.yaml", "zoo.yaml"):
            (to / name).write_text((to / name).read_text().replace(str(self.folder), str(to)))
        return Small(to, to / "run.yaml")

    def label(self, *tasks: str, **options: Any) -> None:
        """Label some tasks."""
        label(self.run, tasks, **options)

    def add_model(self, entry: dict[str, Any]) -> None:
        """Add a model to the zoo."""
        file = self.folder / "zoo.yaml"
        content = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump({"models": [*content["models"], entry]}))


def make_run(folder: Path, **changes: Any) -> Small:
    """Eight images in 30 degradations, all but the last with annotations, the first with a licence."""
    data = make_data_set(folder / "data", count=COUNT)
    content = json.loads(data.annotations.read_text())
    content["licenses"] = LICENCES
    content["images"][0] |= {"license": 1, "flickr_url": "https://photos.example/0.jpg"}
    data.annotations.write_text(json.dumps(content))
    entries = [
        toy_entry("blobs_b", "det", "blobs", 25.0, threshold=140.0),
        toy_entry("blobs_a", "det", "blobs", 70.0),
        toy_entry("masks_a", "ins", "blobs", 20.0),
    ]
    return Small(folder, write_run(folder, data, write_zoo(folder / "zoo.yaml", entries), **changes))


@pytest.fixture(scope="package")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """A labelled run with a measure; nobody changes it."""
    run = make_run(tmp_path_factory.mktemp("small"))
    run.label(*TASKS)
    mb.measure(measures=["psnr"], run=run.run, out=run.out, scheduler="inline")
    return run


@pytest.fixture(scope="package")
def published(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run as a repository with all its images."""
    to = tmp_path_factory.mktemp("published") / "data"
    mb.publish(small.out, to=to, licence="cc-by-4.0", images="all", title="Small set", creator="Tests")
    return to


def rows_of(folder: Path, config: str, split: str = "*") -> pa.Table:
    """All rows of a configuration, read with pyarrow."""
    files = sorted((folder / config).rglob(f"{split}-*.parquet"))
    assert files, f"no file of {config}"
    return pa.concat_tables([pq.read_table(file).replace_schema_metadata(None) for file in files])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def paths(made: Published, chosen: Callable[[Shard], bool]) -> set[str]:
    """Paths of some files of a plan."""
    return {shard.path for shard in made.plan.shards if chosen(shard)}
