"""Several runs in one data set, and a target in a store."""

from __future__ import annotations

import shutil
from pathlib import Path

import fsspec
import numpy as np
from PIL import Image

import miqd_builder as mb
from tests.conftest import toy_entry
from tests.formats.publication.conftest import Small, contents, make_run, rows_of


def other_images(folder: Path) -> Small:
    """A labelled classification run of two other images."""
    images = folder / "photos"
    images.mkdir(parents=True)
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 56, 3), np.uint8)
        Image.fromarray(pixels).save(images / f"other_{number}.jpg")
    run = make_run(
        folder,
        tasks={},
        source={"kind": "folder", "images": str(images)},
        roi={"kind": "saliency"},
        degradations=["darkness_?"],
    )
    run.add_model(toy_entry("bright", "cls", "brightness", 80.0))
    run.label("cls")
    return run


def test_two_runs_become_one_data_set_that_regenerates_each(small: Small, tmp_path: Path) -> None:
    other, to = other_images(tmp_path / "other"), tmp_path / "data"
    made = mb.publish([small.out, other.out], to=to, licence="cc-by-4.0", images="all")
    assert {task.task for task in made.plan.publication.tasks} == {"cls", "det", "ins"}
    assert rows_of(to, "labels-cls").num_rows == 10 and rows_of(to, "labels-det").num_rows == 240
    assert rows_of(to, "images").num_rows == 8 * 31 + 2 * 6
    files = sorted(path.name for path in (to / "images").glob("train-*.parquet"))
    assert files == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    assert mb.check_publication(to).passes
    shutil.rmtree(other.out)
    for task, images, count in (("det", small.images, 240), ("cls", other.folder / "photos", 10)):
        out = tmp_path / f"again-{task}"
        again = mb.degrade(published=to, task=task, source={"images": str(images)}, out=out, scheduler="inline")
        assert again.regenerated is not None and again.regenerated.equal == count and not again.regenerated.different


def test_any_store_is_a_target(small: Small, tmp_path: Path) -> None:
    url = f"memory://{tmp_path.name}/data"
    options = {"licence": "cc-by-4.0", "images": "none", "title": "Small set", "scheduler": "inline"}
    mb.publish(small.out, to=url, **options)
    mb.publish(small.out, to=tmp_path / "local", **options)
    store = fsspec.filesystem("memory")
    found = {name.split("/data/", 1)[1]: store.cat_file(name) for name in store.find(f"/{tmp_path.name}/data")}
    assert found == contents(tmp_path / "local")
    again = mb.publish(small.out, to=url, **options)
    assert again.summary is not None and again.summary.changed == ()


def test_workers_write_the_same_bytes(small: Small, tmp_path: Path) -> None:
    options = {"licence": "cc-by-4.0", "images": "all", "title": "Small set"}
    mb.publish(small.out, to=tmp_path / "one", scheduler="inline", **options)
    mb.publish(small.out, to=tmp_path / "two", scheduler="dask", workers=2, **options)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_dry_run_writes_nothing_and_its_estimate_is_near(small: Small, tmp_path: Path) -> None:
    plan = mb.publish(small.out, to=tmp_path / "to", licence="mit", images="all", dry_run=True).plan
    assert not (tmp_path / "to").exists() and len(plan.todo) == len(plan.shards)
    made = mb.publish(small.out, to=tmp_path / "to", licence="mit", images="all")
    for shard in made.plan.shards:
        assert shard.rows == rows_of(tmp_path / "to", shard.path.rpartition("/")[0], shard.split).num_rows
    images = [shard for shard in plan.shards if shard.config == "images"]
    assert all((tmp_path / "to" / shard.path).stat().st_size <= shard.estimate for shard in images)
