"""A run folder in Python: tables are those of the files, images those that were hashed, splits by the documented rule."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import miqd_builder as mb
from miqd_builder.errors import ConfigError, MiqdError, StoreError, UnreadableImageError
from miqd_builder.roi import stored
from tests.tiny_onnx import redness


def files(folder: Path, pattern: str) -> pa.Table:
    """What pyarrow reads from the files of a table, without its paths' partitions."""
    parts = [pq.ParquetFile(file).read().replace_schema_metadata(None) for file in sorted(folder.glob(pattern))]
    assert len(parts) == 2
    return pa.concat_tables(parts)


def test_tables_are_those_of_the_files(labelled: Path) -> None:
    run = mb.open_run(labelled / "out")
    out = labelled / "out"
    assert run.variants().equals(files(out, "variants/*.parquet"))
    assert run.labels("det").equals(files(out, "labels/task=det/*.parquet"))
    assert run.scores("det", model="blobs").equals(files(out, "scores/task=det/model=blobs/*.parquet"))
    assert run.responses("ins", model="blob_masks").equals(files(out, "responses/task=ins/model=blob_masks/*.parquet"))
    assert run.tasks == ["det", "ins"] and run.models("det") == ["blobs", "blobs_strict"]


def test_all_models_have_their_name_in_front(labelled: Path) -> None:
    run = mb.open_run(str(labelled / "out"))
    scores = run.scores("det")
    assert scores.column_names[:3] == ["model", "source_id", "degradation"]
    for model in ("blobs", "blobs_strict"):
        own = scores.filter(pa.compute.equal(scores["model"], model)).drop_columns("model")
        assert own.equals(run.scores("det", model=model))
    assert run.responses("det", columns=["source_id"]).column_names == ["model", "source_id"]


def test_parts_are_read_one_at_a_time(labelled: Path, tmp_path: Path) -> None:
    shutil.copytree(labelled / "out", tmp_path / "out")
    parts = mb.open_run(tmp_path / "out").parts("labels", task="det")
    second = tmp_path / "out/labels/task=det/part-00001.parquet"
    content = bytearray(second.read_bytes())
    content[len(content) // 2] ^= 1
    second.write_bytes(content)
    assert next(parts).num_rows == 8
    with pytest.raises(StoreError, match=r"part-00001.parquet' is damaged"):
        next(parts)


def test_views_hold_the_same_rows(labelled: Path) -> None:
    run = mb.open_run(labelled / "out")
    with run.duckdb() as database:
        for table in ("variants", "candidates"):
            assert database.table(table).arrow().read_all().num_rows == files(labelled / "out", f"{table}/*.parquet").num_rows
        det = database.sql("select * exclude (task) from labels where task = 'det' order by source_id, degradation")
        wanted = run.labels("det").sort_by([("source_id", "ascending"), ("degradation", "ascending")])
        assert det.fetchall() == [tuple(row.values()) for row in wanted.to_pylist()]
        counts = database.sql("select task, model, count(*) from scores group by all order by all").fetchall()
        assert counts == [("det", "blobs", 20), ("det", "blobs_strict", 20), ("ins", "blob_masks", 20)]
        masks = database.sql("select task, count(masks) from responses group by all order by all").fetchall()
        assert masks == [("det", 0), ("ins", 20)]


@pytest.mark.parametrize("name", ["task=det", "a [1] 'b' *"])
def test_views_of_a_folder_with_a_strange_name(labelled: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(labelled / "out-cls", tmp_path / name / "out")
    with mb.open_run(tmp_path / name / "out").duckdb() as database:
        assert database.sql("select task, model, count(*) from scores group by all").fetchall() == [("cls", "bright", 20)]


def test_a_run_in_another_file_system(labelled: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(labelled / "out-cls"), "/api/", recursive=True)
    here, there = mb.open_run(labelled / "out-cls"), mb.open_run("memory://api/out-cls")
    assert there.labels("cls").equals(here.labels("cls"))
    assert np.array_equal(there.image("scene_1", "darkness_5"), here.image("scene_1", "darkness_5"))
    with there.duckdb() as database:
        assert database.sql("select task, model, count(*) from responses group by all").fetchall() == [("cls", "bright", 20)]
        assert database.sql("select count(*) from variants").fetchall() == [(16,)]
    memory.rm("/api", recursive=True)


@pytest.mark.parametrize("out", ["out", "out-cls"])
def test_images_have_the_recorded_hash(labelled: Path, out: str) -> None:
    run = mb.open_run(labelled / out)
    for row in run.variants().to_pylist():
        pixels = run.image(row["source_id"], row["degradation"])
        assert pixels.shape == (48, 64, 3) and pixels.dtype == np.uint8
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == row["pixel_sha256"]
    clean = np.asarray(Image.open(labelled / "data/images/scene_2.png"))
    assert np.array_equal(run.image("scene_2", "original"), clean)


def test_wrong_pixels_are_refused(labelled: Path, tmp_path: Path) -> None:
    shutil.copytree(labelled / "out", tmp_path / "out")
    Image.new("RGB", (64, 48)).save(tmp_path / "out/images/scene_0/scene_0_darkness_1.png")
    run = mb.open_run(tmp_path / "out")
    with pytest.raises(UnreadableImageError, match="are not those of its row in variants"):
        run.image("scene_0", "darkness_1")
    assert run.image("scene_0", "darkness_5").shape == (48, 64, 3)


def test_images_are_rendered_with_the_stored_masks(labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(labelled / "out-cls", tmp_path / "out")
    first = mb.open_run(tmp_path / "out").image("scene_1", "gaussian_noise_5")
    with monkeypatch.context() as patch:
        patch.setattr(stored, "roi_mask", lambda *_: pytest.fail("computed again"))
        assert np.array_equal(mb.open_run(tmp_path / "out").image("scene_1", "gaussian_noise_5"), first)
    shutil.rmtree(tmp_path / "out/roi")
    assert np.array_equal(mb.open_run(tmp_path / "out").image("scene_1", "gaussian_noise_5"), first)
    assert not (tmp_path / "out/roi").exists(), "reading an image writes nothing"


def test_the_settings_are_those_of_the_command_that_made_the_images(labelled: Path, tmp_path: Path) -> None:
    """``degrade`` with one network, then ``label`` with another: the first one's settings are in ``run.json`` too."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.onnx").write_bytes(redness(320, sigmoid=name == "a"))
    fields = {"out": tmp_path / "out", "images": "none", "scheduler": "inline", "limit": 1}
    mb.degrade(run=labelled / "run.yaml", task="cls", roi={"kind": "salient", "model": str(tmp_path / "a.onnx")}, **fields)
    mb.label(run=labelled / "run.yaml", task="cls", roi={"kind": "salient", "model": str(tmp_path / "b.onnx")}, **fields)
    run = mb.open_run(tmp_path / "out")
    assert run.image("scene_0", "gaussian_noise_5").shape == run.image("scene_0", "original").shape


def test_a_changed_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (32, 24), (90, 40, 10)).save(tmp_path / "images/a.png")
    source = {"kind": "folder", "images": tmp_path / "images"}
    mb.degrade(source=source, out=tmp_path / "out", degradations="darkness_1", images="none", scheduler="inline")
    Image.new("RGB", (32, 24), (91, 40, 10)).save(tmp_path / "images/a.png")
    run = mb.open_run(tmp_path / "out")
    with pytest.raises(UnreadableImageError, match="is not what it was when"):
        run.image("a", "original")
    with pytest.raises(UnreadableImageError, match="are not those of its row in variants"):
        run.image("a", "darkness_1")


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda run: run.image("scene_O", "darkness_1"), ConfigError, "no image 'scene_O'. Did you mean 'scene_"),
        (lambda run: run.image("scene_0", "darknes_1"), ConfigError, "no degradation 'darknes_1'. Did you mean 'darkness_1'"),
        (lambda run: run.labels("dett"), ConfigError, "Unknown task 'dett'"),
        (lambda run: run.labels("cls"), StoreError, "no labels for task cls: run 'miqd label --task cls' first"),
        (
            lambda run: run.scores("det", model="blob"),
            ConfigError,
            "no scores of model 'blob' for task det. Did you mean 'blobs'",
        ),
        (lambda run: run.scores("det", model="blobs*"), ConfigError, "no scores of model 'blobs\\*' for task det"),
        (
            lambda run: run.responses("seg", model="x"),
            StoreError,
            "no responses for task seg: run 'miqd label --task seg' first",
        ),
        (lambda run: run.parts("label", task="det"), ConfigError, "Unknown table 'label'.*Did you mean 'labels'"),
        (lambda run: run.parts("labels"), ConfigError, "Table labels is kept by task"),
        (lambda run: run.parts("variants", task="det"), ConfigError, "Table variants is the same for all tasks"),
        (lambda run: run.parts("labels", task="det", model="x"), ConfigError, "Table labels is the same for all models"),
        (lambda run: run.split("validate"), ConfigError, "Unknown split 'validate'.*Did you mean 'validation'"),
    ],
)
def test_what_isnt_there_is_named(
    labelled: Path, ask: Callable[[mb.Run], object], error: type[MiqdError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        ask(mb.open_run(labelled / "out"))
    assert "\n" not in str(caught.value)


def test_a_path_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no run"):
        mb.open_run(tmp_path)


def test_imported_labels_have_no_images(labelled: Path, tmp_path: Path) -> None:
    mb.export(labelled / "out", to=tmp_path / "published", task="det")
    mb.import_labels(tmp_path / "published", out=tmp_path / "back", task="det")
    run = mb.open_run(tmp_path / "back")
    assert run.labels("det").num_rows == 16
    with pytest.raises(StoreError, match="no variants yet: run 'miqd degrade' first"):
        run.variants()
    with pytest.raises(StoreError, match="lacks part 0 of variants"):
        run.image(run.source_ids[0], "darkness_1")


def test_split_takes_every_source_once(labelled: Path) -> None:
    run = mb.open_run(labelled / "out")
    splits = [run.split(name, seed=5) for name in ("test", "validation", "train")]
    assert [len(ids) for ids in splits] == [1, 1, 2] and sorted(i for ids in splits for i in ids) == list(run.source_ids)
    assert splits[0] == [min(run.source_ids, key=lambda i: hashlib.sha256(f"5 {i}".encode()).hexdigest())]
