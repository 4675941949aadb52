"""What is in the Parquet files: the run's rows, as they are, by split and with features."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import miqd_builder as mb
from miqd_builder.formats.huggingface.columns import IMAGES, SOURCES
from miqd_builder.formats.huggingface.features import feature, features_of
from miqd_builder.formats.huggingface.parquet import write_parquet
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.streams import write_stream
from miqd_builder.tables.schema import LABELS, RESPONSES, SCORES, VARIANTS
from tests.formats.publication.conftest import COUNT, TASKS, Small, contents, rows_of

KEYS = [("source_id", "ascending"), ("degradation", "ascending")]


def test_every_table_has_the_rows_of_the_run(small: Small, published: Path) -> None:
    run = mb.open_run(small.out)
    for task in TASKS:
        assert rows_of(published, f"labels-{task}").sort_by(KEYS) == run.labels(task).sort_by(KEYS)
        for model in run.models(task):
            for table in ("scores", "responses"):
                wanted = (run.scores if table == "scores" else run.responses)(task, model=model).sort_by(KEYS)
                found = rows_of(published, f"{table}-{task}/{model}").sort_by(KEYS)
                assert set(found["model"].to_pylist()) == {model}
                assert found.drop_columns("model") == wanted
    assert rows_of(published, "variants").sort_by(KEYS) == run.variants().sort_by(KEYS)
    psnr = rows_of(published, "measures/psnr").sort_by(KEYS)
    assert psnr["value"].to_pylist() == run.measures(["psnr"]).sort_by(KEYS)["psnr"].to_pylist()
    assert set(psnr["measure"].to_pylist()) == {"psnr"}


def test_splits_are_those_of_the_run(small: Small, published: Path) -> None:
    run = mb.open_run(small.out)
    for split in ("train", "validation", "test"):
        wanted = set(run.split(split))  # type: ignore[arg-type]
        for config in ("labels-det", "scores-ins", "responses-det", "measures", "variants", "sources", "images"):
            assert set(rows_of(published, config, split)["source_id"].to_pylist()) == wanted, (config, split)


def test_images_are_the_files_of_the_run_and_the_originals_their_own(small: Small, published: Path) -> None:
    table = rows_of(published, "images")
    assert table.num_rows == COUNT * 31 and table.schema == IMAGES
    hashes = {(r["source_id"], r["degradation"]): r["pixel_sha256"] for r in mb.open_run(small.out).variants().to_pylist()}
    for row in table.to_pylist():
        name = "original" if row["degradation"] == "original" else "variant"
        file = small.images / f"{row['source_id']}.png"
        if name == "variant":
            file = small.out / f"images/{row['source_id']}/{row['source_id']}_{row['degradation']}.png"
        assert row["image"]["bytes"] == file.read_bytes()
        pixels = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB"))
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == row["pixel_sha256"]
        assert (row["height"], row["width"]) == pixels.shape[:2]
        if name == "variant":
            assert row["pixel_sha256"] == hashes[row["source_id"], row["degradation"]]


def test_the_licence_of_each_photograph_is_a_column(published: Path) -> None:
    sources = {row["source_id"]: row for row in rows_of(published, "sources").to_pylist()}
    first, second = sources["scene_0"], sources["scene_1"]
    assert first["licence"] == "Attribution License" and first["licence_url"].endswith("/by/2.0/")
    assert first["origin"] == "https://photos.example/0.jpg"
    assert second["licence"] is None and second["origin"] is None
    images = {row["licence"] for row in rows_of(published, "images").to_pylist() if row["source_id"] == "scene_0"}
    assert images == {"Attribution License"}


def test_sources_carry_mask_and_hash(small: Small, published: Path) -> None:
    for row in rows_of(published, "sources").to_pylist():
        file = small.images / row["file_name"]
        assert row["file_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        mask = np.asarray(Image.open(io.BytesIO(row["roi"]["bytes"])))
        stored = np.asarray(Image.open(small.out / f"roi/{row['source_id']}.png"))
        assert mask.dtype == bool and np.array_equal(mask, stored)


def test_files_suit_the_viewer(published: Path) -> None:
    files = sorted(published.rglob("*.parquet"))
    for file in files:
        metadata = pq.read_metadata(file)
        assert all(metadata.row_group(0).column(i).has_offset_index for i in range(metadata.num_columns)), file
        assert metadata.row_group(0).column(0).compression == "ZSTD"
        assert all(metadata.row_group(i).num_rows <= 100 for i in range(metadata.num_row_groups)) or "images" not in str(file)
    schema = pq.read_schema(published / "images/test-00000-of-00001.parquet")
    assert json.loads(schema.metadata[b"huggingface"])["info"]["features"]["image"] == {"_type": "Image"}


@pytest.mark.parametrize(
    "schema",
    [*LABELS.values(), *SCORES.values(), *RESPONSES.values(), VARIANTS, IMAGES, SOURCES],
    ids=lambda schema: schema.names[2],
)
def test_features_are_what_the_library_would_write(schema: pa.Schema) -> None:
    datasets = pytest.importorskip("datasets")
    ours = {field.name: feature(field.type) for field in schema}
    features = datasets.Features.from_dict(ours)
    assert features.to_dict() == ours
    assert features.arrow_schema.remove_metadata() == schema


def test_row_groups_are_cut_by_bytes_and_by_rows(tmp_path: Path) -> None:
    schema = pa.schema([("source_id", pa.string()), ("data", pa.binary())])

    def table(rows: int, size: int) -> pa.Table:
        generator = np.random.default_rng(rows)
        return pa.table([[f"a{i}" for i in range(rows)], [generator.bytes(size) for _ in range(rows)]], schema=schema)

    folder = RunFolder(str(tmp_path))
    for name, tables, most in (
        ("bytes", [table(30, 4 * 2**20)], None),
        ("rows", [table(130, 10), table(130, 10)], 100),
        ("empty", [], None),
    ):
        with write_stream(folder, name) as stream:
            assert write_parquet(stream, schema, iter(tables), "x", most_rows=most) == sum(t.num_rows for t in tables)
        metadata = pq.read_metadata(tmp_path / name)
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        assert sum(group.num_rows for group in groups) == sum(t.num_rows for t in tables)
        assert all(group.total_byte_size <= 34 * 2**20 for group in groups)
        if most:
            assert [group.num_rows for group in groups] == [100, 100, 60]
        if tables:
            assert pq.read_table(tmp_path / name).replace_schema_metadata(None) == pa.concat_tables(tables)
    assert features_of(pq.read_schema(tmp_path / "rows")) == {
        "source_id": {"dtype": "string", "_type": "Value"},
        "data": {"dtype": "binary", "_type": "Value"},
    }


def test_preview_shows_original_and_degraded_with_boxes(published: Path) -> None:
    rows = rows_of(published, "preview").to_pylist()
    assert {row["degradation"] for row in rows} == {"darkness_5", "gaussian_noise_5"}
    assert {row["model"] for row in rows} == {"blobs_a"}
    boxed = next(row for row in rows if row["predictions_on_original"])
    picture = np.asarray(Image.open(io.BytesIO(boxed["image"]["bytes"])).convert("RGB")).astype(int)
    assert picture.shape == (48, 64 + 8 + 64, 3)
    assert picture[:, 66:70].min() > 200, "the gap between the pictures is white"


def test_the_same_call_changes_nothing_and_an_interrupted_one_goes_on(small: Small, published: Path, tmp_path: Path) -> None:
    to = tmp_path / "data"
    arguments = {"to": to, "licence": "cc-by-4.0", "images": "all", "title": "Small set", "creator": "Tests"}
    first = mb.publish(small.out, **arguments)
    assert contents(to) == contents(published), "another folder, the same bytes"
    again = mb.publish(small.out, **arguments)
    assert again.summary is not None and again.summary.changed == () and not again.plan.todo
    # As after an interruption: some files lack, the manifest knows none, and a writer left half a file.
    gone = sorted(shard.path for shard in first.plan.shards)[::3]
    for name in gone:
        (to / name).unlink()
    manifest = json.loads((to / "recipe/manifest.json").read_text())
    (to / "recipe/manifest.json").write_text(json.dumps({**manifest, "files": {}, "finished": False}))
    (to / "images/train-00000-of-00001.parquet.0123abcd.tmp").write_bytes(b"half")
    resumed = mb.publish(small.out, **arguments)
    assert resumed.summary is not None and set(resumed.summary.changed) >= set(gone)
    kept = {shard.path for shard in first.plan.shards} - set(gone)
    assert kept and not set(resumed.summary.changed) & kept
    assert contents(to) == contents(published)
