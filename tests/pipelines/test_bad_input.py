"""What wrong input gets: one clear line and exit code 1 with nothing written, or a quarantine row and exit code 2."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from miqd_builder.store.folder import RunFolder
from tests.conftest import DataSet, part_bytes, toy_entry, write_run, write_zoo


def one_line(err: str) -> str:
    lines = [line for line in err.strip().splitlines() if line.startswith("Error")]
    assert len(lines) == 1 and "Traceback" not in err
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "dte"], "Unknown task 'dte': expected one of cls, det, ins, seg. Did you mean 'det'?"),
        (["--task", "det", "--set", "models=['blbos']"], "Unknown model 'blbos' for task det. Did you mean 'blobs'"),
        (["--task", "det", "--set", "degradations=['darknes_1']"], "darkness_1"),
        (["--task", "det", "--set", "recipe=miqd"], "Unknown recipe 'miqd'"),
        (["--task", "det", "--set", "sed=3"], "unknown field 'sed'. Did you mean 'seed'"),
        (["--task", "det", "--set", "source.image=x"], "unknown field 'source.image'. Did you mean 'images'?"),
        (["--task", "det", "--set", "scheduler=dusk"], "expected inline, dask or tcp://host:port, got 'dusk'"),
        (["--task", "det", "--set", "workers=0"], "workers = 0"),
        (["--task", "det", "--set", "roi.kind=masks"], "roi.kind 'masks' needs a folder"),
        (["--task", "det", "--set", "zoo=['nowhere.yaml']"], "nowhere.yaml"),
        (["--task", "det", "--set", "oops"], "expected key=value"),
        (["--task", "det", "--set", "source.annotations=nowhere.json"], "nowhere.json' can't be read"),
        (["--task", "det", "--scheduler", "tcp://127.0.0.1:9"], "No Dask scheduler answers at 'tcp://127.0.0.1:9'"),
        ([], "Give --task cls|det|ins"),
    ],
)
def test_wrong_settings(miqd, run_file: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = miqd("label", "--run", run_file, *arguments)
    assert result.code == 1
    assert message in one_line(result.err)
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_usage_error_exits_with_1(miqd) -> None:
    result = miqd("label", "--no-such-option")
    assert result.code == 1 and "No such option" in result.err


def test_run_file_problems(miqd, tmp_path: Path) -> None:
    assert "can't be read" in one_line(miqd("degrade", "--run", tmp_path / "no.yaml").err)
    (tmp_path / "bad.yaml").write_text("a: [")
    assert "is no valid YAML" in one_line(miqd("degrade", "--run", tmp_path / "bad.yaml").err)
    (tmp_path / "bare.yaml").write_text("out: x\n")
    assert "the field 'source' is missing" in one_line(miqd("degrade", "--run", tmp_path / "bare.yaml").err)
    assert "Nothing to run" in one_line(miqd("degrade").err)


def unreadable_files() -> dict[str, bytes]:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(buffer, "JPEG")
    return {"zero": b"", "text": b"hello", "truncated": buffer.getvalue()[:400]}


@pytest.mark.parametrize("content", unreadable_files().values(), ids=unreadable_files().keys())
def test_unreadable_image_costs_one_row_and_is_retried(
    miqd, data: DataSet, run_file: Path, tmp_path: Path, content: bytes
) -> None:
    good = (data.images / "scene_1.png").read_bytes()
    (data.images / "scene_1.png").write_bytes(content)
    first = miqd("label", "--task", "det", "--run", run_file)
    assert first.code == 2
    failed = miqd("status", "--run", run_file, "--failed")
    assert failed.code == 2 and "degrade scene_1: UnreadableImageError: Image 'scene_1.png'" in failed.out
    rows = [r for p in (tmp_path / "out/labels/task=det").glob("*") for r in pq.ParquetFile(p).read().to_pylist()]
    assert {row["source_id"] for row in rows} == {"scene_0", "scene_2", "scene_3"}
    assert miqd("label", "--task", "det", "--run", run_file).code == 2
    (data.images / "scene_1.png").write_bytes(good)
    assert miqd("label", "--task", "det", "--run", run_file).code == 0
    assert not list((tmp_path / "out/quarantine").glob("*"))
    miqd("label", "--task", "det", "--run", run_file, "--out", tmp_path / "undisturbed")
    assert part_bytes(tmp_path / "out") == part_bytes(tmp_path / "undisturbed")


def test_files_that_cant_be_sources_cost_only_themselves(miqd, data: DataSet, tmp_path: Path, zoo: Path) -> None:
    """Hidden files don't count; odd names are left out, listed by --dry-run and by the quarantine, and exit with 2."""
    source = {"kind": "folder", "images": str(data.images), "max_pixels": 48 * 64}
    run_file = write_run(tmp_path, data, zoo, source=source, roi={"kind": "saliency"}, degradations=["darkness_1"])
    assert miqd("label", "--task", "det", "--run", run_file, "--out", tmp_path / "undisturbed").code == 0
    (data.images / "._scene_0.png").write_bytes(b"resource fork")
    (data.images / '.hidden"name.png').write_bytes(b"")
    (data.images / 'a"b.png').write_bytes((data.images / "scene_0.png").read_bytes())
    (data.images / "scene_1.JPG").write_bytes((data.images / "scene_1.png").read_bytes())
    plan = miqd("label", "--task", "det", "--run", run_file, "--dry-run")
    assert plan.code == 0 and "4 of 4 images" in plan.out
    assert "Left out     a\"b.png can't be used as an id" in " ".join(plan.out.split("\n"))
    assert "scene_1.png has the id 'scene_1', as 'scene_1.JPG' has" in " ".join(plan.out.split())
    assert "hidden" not in plan.out and "._scene" not in plan.out
    result = miqd("label", "--task", "det", "--run", run_file)
    assert result.code == 2 and "2 quarantined" in result.out
    failed = " ".join(miqd("status", "--run", run_file, "--failed").out.split())
    assert "source: RefusedFile: a\"b.png can't be used" in failed and "RefusedFile: scene_1.png has the id" in failed
    assert miqd("label", "--task", "det", "--run", run_file).code == 2
    (data.images / 'a"b.png').unlink()
    (data.images / "scene_1.JPG").unlink()
    assert miqd("label", "--task", "det", "--run", run_file).code == 0
    assert not list((tmp_path / "out/quarantine").glob("*"))
    assert part_bytes(tmp_path / "out") == part_bytes(tmp_path / "undisturbed")


def test_decompression_bomb_costs_only_itself(miqd, data: DataSet, tmp_path: Path, zoo: Path) -> None:
    source = {"kind": "folder", "images": str(data.images), "max_pixels": 48 * 64}
    run_file = write_run(tmp_path, data, zoo, source=source, roi={"kind": "saliency"}, degradations=["darkness_1"])
    Image.new("1", (20_000, 20_000)).save(data.images / "bomb.png")
    assert (data.images / "bomb.png").stat().st_size < 100_000
    assert miqd("degrade", "--run", run_file).code == 2
    failed = " ".join(miqd("status", "--run", run_file, "--failed").out.split())
    assert "degrade bomb: UnreadableImageError: Image 'bomb.png' is 20000x20000 pixels" in failed
    assert "source.max_pixels" in failed


def odd_images() -> dict[str, tuple[Image.Image, dict[str, Any]]]:
    rgb = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    rotated = rgb.getexif()
    rotated[0x0112] = 6
    return {
        "cmyk.jpg": (rgb.convert("CMYK"), {}),
        "rgba.png": (rgb.convert("RGBA"), {}),
        "palette.png": (rgb.quantize(8), {}),
        "gray.png": (rgb.convert("L"), {}),
        "deep.png": (Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100), {}),
        "rotated.jpg": (rgb, {"exif": rotated}),
        "pixel.png": (rgb.crop((0, 0, 1, 1)), {}),
    }


def test_odd_images_are_handled(miqd, zoo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for name, (image, options) in odd_images().items():
        image.save(folder / name, **options)
    result = miqd(
        "label", "--task", "cls", "--out", tmp_path / "out", "--scheduler", "inline", "--set", "source.kind=folder",
        "--set", f"source.images={folder}", "--set", f"zoo=['{zoo}']", "--set", "images=none",
    )  # fmt: skip
    assert result.code == 0, result.out
    rows = [r for p in (tmp_path / "out/labels/task=cls").glob("*") for r in pq.ParquetFile(p).read().to_pylist()]
    assert len(rows) == 7 * 250
    assert {row["accuracy_mean"] for row in rows} == {None}
    sizes = {
        r["source_id"]: (r["height"], r["width"])
        for p in (tmp_path / "out/variants").glob("*")
        for r in pq.ParquetFile(p).read().to_pylist()
    }
    assert sizes["rotated"] == (30, 20) and sizes["pixel"] == (1, 1)


def test_model_that_fails_on_some_images_is_quarantined(miqd, data: DataSet, tmp_path: Path) -> None:
    zoo = write_zoo(tmp_path / "zoo.yaml", [toy_entry("flaky", "cls", "flaky"), toy_entry("fine", "cls", "brightness")])
    run = write_run(tmp_path, data, zoo)
    result = miqd("label", "--task", "cls", "--run", run)
    assert result.code == 2
    assert "flaky: RuntimeError: too dark for me" in miqd("status", "--out", tmp_path / "out-cls", "--failed").out
    rows = [r for p in (tmp_path / "out-cls/labels/task=cls").glob("*") for r in pq.ParquetFile(p).read().to_pylist()]
    assert len(rows) == 120
    assert {row["n_models"] for row in rows} == {1, 2}


def test_model_that_cannot_be_built_costs_only_itself(miqd, data: DataSet, tmp_path: Path) -> None:
    zoo = write_zoo(tmp_path / "zoo.yaml", [toy_entry("broken", "cls", "crashing"), toy_entry("fine", "cls", "brightness")])
    run = write_run(tmp_path, data, zoo)
    assert miqd("label", "--task", "cls", "--run", run).code == 2
    assert "RuntimeError: no such luck" in miqd("status", "--out", tmp_path / "out-cls", "--failed").out
    rows = [r for p in (tmp_path / "out-cls/labels/task=cls").glob("*") for r in pq.ParquetFile(p).read().to_pylist()]
    assert {row["n_models"] for row in rows} == {1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--set", "seed=4"], "was made with seed = 3, not 4"),
        (["--images", "none"], "was made with images = png, not none"),
        (["--set", "roi.kind=saliency"], "was made with roi.kind = annotations, not saliency"),
        (["--set", "degradations=['darkness_1']"], "holds 30 degradations, 29 of which this run doesn't ask for"),
    ],
)
def test_run_folder_of_another_run_is_left_alone(
    miqd, run_file: Path, tmp_path: Path, changes: list[str], message: str
) -> None:
    miqd("degrade", "--run", run_file)
    before = part_bytes(tmp_path / "out", "variants")
    result = miqd("degrade", "--run", run_file, *changes)
    assert result.code == 1 and message in one_line(result.err)
    assert part_bytes(tmp_path / "out", "variants") == before


def test_damaged_run_json(miqd, run_file: Path, tmp_path: Path) -> None:
    miqd("degrade", "--run", run_file)
    (tmp_path / "out/run.json").write_text("{")
    assert "run.json' is damaged" in one_line(miqd("degrade", "--run", run_file).err)
    (tmp_path / "out/run.json").write_text(json.dumps({"schema_version": 99}))
    assert "has schema version 99" in one_line(miqd("degrade", "--run", run_file).err)


def test_image_that_left_the_source(miqd, data: DataSet, run_file: Path) -> None:
    miqd("degrade", "--run", run_file)
    (data.images / "scene_1.png").unlink()
    assert "images that" in (err := one_line(miqd("degrade", "--run", run_file).err)) and "'scene_1'" in err


def test_degraded_image_that_was_changed_is_not_labelled(miqd, run_file: Path, tmp_path: Path) -> None:
    miqd("degrade", "--run", run_file)
    image = tmp_path / "out/images/scene_0/scene_0_darkness_2.png"
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(image)
    assert miqd("label", "--task", "det", "--run", run_file).code == 2
    assert "The pixels of 'scene_0/scene_0_darkness_2.png' are not those" in miqd("status", "--run", run_file, "--failed").out


def test_full_disk_stops_with_one_line_and_resumes(
    miqd, run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = RunFolder._write_local

    def full(path: str, data: bytes, flush: bool) -> None:
        if "part-00001" in path:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data, flush)

    monkeypatch.setattr(RunFolder, "_write_local", staticmethod(full))
    result = miqd("label", "--task", "det", "--run", run_file)
    assert result.code == 1
    assert "No space left while writing" in one_line(result.err) and "finished parts are kept" in result.err
    kept = part_bytes(tmp_path / "out", "variants")
    assert list(kept) == ["variants/part-00000.parquet"]
    assert not list((tmp_path / "out").rglob("*.tmp"))
    monkeypatch.undo()


def test_full_disk_then_room(miqd, run_file: Path, tmp_path: Path) -> None:
    """The run that follows a full disk gives the bytes of one that never stopped."""
    write = RunFolder._write_local
    with pytest.MonkeyPatch.context() as patch:

        def full(path: str, data: bytes, flush: bool) -> None:
            if "responses" in path and "part-00001" in path:
                raise OSError(errno.ENOSPC, "No space left on device")
            write(path, data, flush)

        patch.setattr(RunFolder, "_write_local", staticmethod(full))
        assert miqd("label", "--task", "det", "--run", run_file).code == 1
    assert miqd("label", "--task", "det", "--run", run_file).code == 0
    miqd("label", "--task", "det", "--run", run_file, "--out", tmp_path / "undisturbed")
    assert part_bytes(tmp_path / "out") == part_bytes(tmp_path / "undisturbed")


def test_commands_on_a_folder_without_a_run(miqd, tmp_path: Path) -> None:
    for command in ("audit", "status", "verify"):
        result = miqd(command, "--out", tmp_path)
        assert result.code == 1 and "holds no run" in one_line(result.err)


def test_checkpoint_with_another_hash(miqd, data: DataSet, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"weights")
    entry = toy_entry("bright", "cls", "brightness") | {"checkpoint": {"path": "w.pth", "sha256": "0" * 64}}
    run = write_run(tmp_path, data, write_zoo(tmp_path / "zoo.yaml", [entry]))
    result = miqd("label", "--task", "cls", "--run", run)
    assert result.code == 1 and "expected " + "0" * 64 in one_line(result.err)
    assert not (tmp_path / "out-cls").exists()
