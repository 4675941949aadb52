"""Other people's loaders take the data set as it is."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import miqd_builder as mb
from tests.conftest import ROOT
from tests.formats.publication.conftest import COUNT, Small, rows_of
from tests.formats.test_export import read_published

LOAD = """
import sys
import datasets
folder, cache = sys.argv[1:]
names = datasets.get_dataset_config_names(folder)
labels = datasets.load_dataset(folder, "labels-det", cache_dir=cache)
print(*names, sep=",")
print({split: rows.num_rows for split, rows in labels.items()})
print(sum(value for split in labels for value in labels[split]["consistency_weighted"]))
images = datasets.load_dataset(folder, "images", split="test", streaming=True)
for row in images:
    assert row["image"].size == (64, 48), row
first = next(iter(images))
print(first["degradation"], first["image"].mode)
responses = datasets.load_dataset(folder, "responses-ins", split="train", cache_dir=cache)
print(len(responses[0]["boxes"][0]), type(responses[0]["masks"][0]).__name__)
scores = datasets.load_dataset(folder, "scores-det", split="test", streaming=True)
print(*sorted({row["model"] for row in scores}), sep=",")
"""


def test_datasets(small: Small, published: Path, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", LOAD, str(published), str(tmp_path / "cache")]
    done = subprocess.run(command, env={**os.environ, **offline}, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    names, counts, total, image, response, models = done.stdout.strip().splitlines()[-6:]
    configs = "labels-det,labels-ins,scores-det,scores-ins,responses-det,responses-ins,measures,images,preview,sources,variants"
    assert names == configs
    run = mb.open_run(small.out)
    assert counts == str({split: 30 * len(run.split(split)) for split in ("train", "validation", "test")})  # type: ignore[arg-type]
    assert float(total) == pytest.approx(sum(run.labels("det")["consistency_weighted"].to_pylist()), rel=1e-12)
    assert (image, response, models) == ("original RGB", "4 bytes", "blobs_a,blobs_b")


def test_mlcroissant(published: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    data_set = mlcroissant.Dataset(str(published / "croissant.json"))
    assert not data_set.metadata.ctx.issues.errors and not data_set.metadata.ctx.issues.warnings
    counts = {r.uuid: sum(1 for _ in data_set.records(r.uuid)) for r in data_set.metadata.record_sets}
    assert counts["labels-det"] == COUNT * 30 and counts["scores-det"] == 2 * COUNT * 31 and counts["sources"] == COUNT
    wanted = {(r["source_id"], r["degradation"]): r["composite"] for r in rows_of(published, "labels-det").to_pylist()}
    for record in data_set.records("labels-det"):
        key = record["labels-det/source_id"].decode(), record["labels-det/degradation"].decode()
        composite = record["labels-det/composite"]
        assert composite == wanted[key] or (np.isnan(composite) and wanted[key] is None)
    image = next(iter(data_set.records("images")))["images/image"]
    assert isinstance(image, Image.Image) and image.size == (64, 48)
    masks = next(r["responses-ins/masks"] for r in data_set.records("responses-ins") if len(r["responses-ins/masks"]))
    assert isinstance(masks[0], bytes)


def test_duckdb_and_pandas(small: Small, published: Path) -> None:
    import duckdb
    import pandas as pd

    query = f"select model, avg(accuracy) from '{published}/scores-det/*/*.parquet' group by all order by all"
    found = dict(duckdb.sql(query).fetchall())
    scores = mb.open_run(small.out).scores("det").to_pylist()
    for model in ("blobs_a", "blobs_b"):
        values = [row["accuracy"] for row in scores if row["model"] == model and row["accuracy"] is not None]
        assert found[model] == pytest.approx(sum(values) / len(values))
    frame = pd.read_parquet(published / "labels-det")
    assert len(frame) == COUNT * 30 and frame["recipe"].unique().tolist() == ["miqd_v1"]
    assert frame["composite"].isna().sum() == 30, "the image without annotations"


def test_webdataset(small: Small, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    to = tmp_path / "data"
    made = mb.publish(small.out, to=to, licence="cc-by-4.0", format="webdataset")
    hashes = {(r["source_id"], r["degradation"]): r["pixel_sha256"] for r in mb.open_run(small.out).variants().to_pylist()}
    labels = {(r["source_id"], r["degradation"]): r for r in mb.open_run(small.out).labels("ins").to_pylist()}
    seen = set()
    for shard in made.plan.shards:
        for sample in webdataset.WebDataset(str(to / shard.path), shardshuffle=False).decode("rgb8"):
            about, key = sample["json"], (sample["json"]["source_id"], sample["json"]["degradation"])
            assert sample["__key__"] == f"{key[0]}_{key[1]}" and sample["png"].shape == (48, 64, 3)
            assert about["split"] == shard.split
            if key[1] != "original":
                assert about["pixel_sha256"] == hashes[key]
                assert about["labels"]["ins"]["composite"] == labels[key]["composite"]
            seen.add(key)
    assert len(seen) == COUNT * 31
    readme = (to / "README.md").read_text()
    assert "path: train-*.tar" in readme and "webdataset" in readme


def test_pyiqa_by_its_documented_columns(small: Small, tmp_path: Path) -> None:
    """As pyiqa's full-reference readers do it: pandas, columns by position, split by the column's name."""
    import pandas as pd

    to = tmp_path / "data"
    mb.publish(small.out, to=to, licence="cc-by-4.0", format="pyiqa")
    labels = {r["file_name"]: r for r in mb.open_run(small.out).labels("det").to_pylist()}
    run = mb.open_run(small.out)
    for label, score in (
        ("composite", "composite"),
        ("consistency", "consistency_weighted"),
        ("accuracy", "accuracy_weighted"),
    ):
        table = pd.read_csv(to / f"meta_info_det_{label}.csv", float_precision="round_trip")
        assert table.columns.tolist() == ["ref_name", "dist_name", "mos", "std", "split"]
        for split, ours in (("train", "train"), ("val", "validation"), ("test", "test")):
            chosen = table[table["split"] == split].values.tolist()
            assert {row[0].removesuffix(".png") for row in chosen} <= set(run.split(ours))  # type: ignore[arg-type]
            for reference, degraded, mos, std, _ in itertools.islice(chosen, 40):
                assert Image.open(to / "det/originals" / reference).size == Image.open(to / "det/images" / degraded).size
                assert mos == labels[degraded][score]
                assert np.isnan(std) if label == "composite" else std == labels[degraded][f"{label}_std"]
        assert len(table) == sum(row[score] is not None for row in labels.values())


def test_the_published_codes_reader_on_the_tree(small: Small, tmp_path: Path) -> None:
    to = tmp_path / "data"
    mb.publish(small.out, to=to, licence="cc-by-4.0", format="miqd")
    found = {**read_published(to, "det", "train"), **read_published(to, "det", "val")}
    labels = mb.open_run(small.out).labels("det").to_pylist()
    expected = {Path(r["file_name"]).name: r["composite"] for r in labels if r["composite"] is not None}
    assert {name: value for name, (value, _, _) in found.items()} == expected
    assert all(Image.open(degraded).size == Image.open(original).size for _, degraded, original in found.values())
    assert (to / "README.md").is_file() and (to / "recipe/zoo.yaml").is_file()


def test_trees_of_labels_alone(small: Small, tmp_path: Path) -> None:
    to = tmp_path / "data"
    mb.publish(small.out, to=to, licence="cc-by-4.0", format="pyiqa", images="none")
    assert not list(to.rglob("*.png")) and len(list(to.glob("meta_info_*.csv"))) == 6
    assert "No image is embedded" in (to / "README.md").read_text()
    assert mb.check_publication(to).passes
