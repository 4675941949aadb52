"""``miqd measure`` on toy images: values, resume, reuse, nulls, bad input, schedulers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import piq
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import miqd_builder as mb
from miqd_builder.measures import MEASURES
from miqd_builder.sources.png import decode_png, encode_png, encode_png_portably
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.verification import verify_folder
from tests.conftest import DataSet, Outcome, part_bytes, write_run, write_zoo
from tests.pipelines.children import miqd_process, wait_for

Miqd = Callable[..., Outcome]
DEGRADATIONS = ["darkness_[1-3]", "gaussian_noise_[45]"]


@pytest.fixture
def run(tmp_path: Path, data: DataSet) -> Path:
    """Run file over four images of 48x64 pixels and five degradations, two images a part."""
    return write_run(tmp_path, data, write_zoo(tmp_path / "zoo.yaml", []), degradations=DEGRADATIONS)


@pytest.fixture
def out(miqd: Miqd, run: Path, tmp_path: Path) -> Path:
    """The degraded images of that run."""
    assert miqd("degrade", "--run", run).code == 0
    return tmp_path / "out"


def stage_line(outcome: Outcome) -> list[str]:
    """Parts, done before, computed, kept and quarantined of the stage."""
    return next(line.split()[1:6] for line in outcome.out.splitlines() if line.startswith("measure "))


def values(out: Path, name: str) -> dict[tuple[str, str], float | None]:
    files = sorted((out / f"measures/measure={name}").glob("*.parquet"))
    rows = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
    return {(row["source_id"], row["degradation"]): row["value"] for row in rows}


def tensor(image: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(image.transpose(2, 0, 1).copy())[None] / 255


def test_values_are_those_of_piq_and_of_variants(miqd: Miqd, out: Path) -> None:
    done = miqd("measure", "--out", out, "--measures", "psnr,ssim", "--measures", "gmsd")
    assert done.code == 0, done.err
    assert stage_line(done) == ["6", "0", "60", "0", "0"]
    run = mb.open_run(out)
    table = run.measures(["psnr", "ssim", "gmsd"])
    assert table.column_names == ["source_id", "degradation", "psnr", "ssim", "gmsd"]
    variants = run.variants()
    assert table.select(["source_id", "degradation", "psnr"]).equals(variants.select(["source_id", "degradation", "psnr"]))
    for row in table.to_pylist():
        degraded = tensor(run.image(row["source_id"], row["degradation"]))
        source = tensor(run.image(row["source_id"], "original"))
        assert row["ssim"] == pytest.approx(float(piq.ssim(degraded, source, data_range=1.0, downsample=False)), abs=1e-6)
        assert row["gmsd"] == pytest.approx(float(piq.gmsd(degraded, source, data_range=1.0)), abs=1e-6)


def test_psnr_computed_is_psnr_copied(miqd: Miqd, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert miqd("measure", "--out", out, "--measures", "psnr").code == 0
    copied = values(out, "psnr")
    for file in (out / "measures/measure=psnr").glob("*.parquet"):
        file.unlink()
    monkeypatch.setattr("pipelines.stages.measure.COPIED", ())
    assert miqd("measure", "--out", out, "--measures", "psnr").code == 0
    assert values(out, "psnr") == copied


def test_a_second_measure_computes_only_itself(miqd: Miqd, out: Path) -> None:
    assert miqd("measure", "--out", out, "--measures", "bytes").code == 0
    before = part_bytes(out, "measures") | part_bytes(out, "variants")
    assert stage_line(miqd("measure", "--out", out, "--measures", "bytes,gmsd")) == ["4", "2", "20", "0", "0"]
    after = part_bytes(out, "measures") | part_bytes(out, "variants")
    assert before == {name: after[name] for name in before} and len(after) == len(before) + 2
    assert stage_line(miqd("measure", "--out", out, "--measures", "bytes,gmsd")) == ["4", "4", "0", "0", "0"]
    images = {(i, d): decode_png((out / f"images/{i}/{i}_{d}.png").read_bytes()) for i, d in values(out, "bytes")}
    assert values(out, "bytes") == {key: float(len(encode_png_portably(pixels))) for key, pixels in images.items()}


def test_only_the_rows_of_a_changed_image_are_computed_again(miqd: Miqd, run: Path, out: Path, data: DataSet) -> None:
    assert miqd("measure", "--out", out, "--measures", "gmsd").code == 0
    before = values(out, "gmsd")
    picture = np.asarray(Image.open(data.images / "scene_1.png")).copy()
    picture[5:20, 5:30] = 255
    Image.fromarray(picture).save(data.images / "scene_1.png")
    stale = miqd("measure", "--out", out, "--measures", "gmsd")
    assert stale.code == 1 and "1 of 2 parts of variants" in stale.err and "Run 'miqd degrade' again first" in stale.err
    assert miqd("degrade", "--run", run).code == 0
    assert stage_line(miqd("measure", "--out", out, "--measures", "gmsd")) == ["2", "1", "5", "5", "0"]
    after = values(out, "gmsd")
    assert {key[0] for key in before if before[key] != after[key]} == {"scene_1"}


def test_a_new_version_of_a_measure_is_computed_again(miqd: Miqd, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert miqd("measure", "--out", out, "--measures", "bytes,gmsd").code == 0
    monkeypatch.setitem(MEASURES._shipped, "bytes", replace(MEASURES["bytes"], version=2))
    assert stage_line(miqd("measure", "--out", out, "--measures", "bytes,gmsd")) == ["4", "2", "20", "0", "0"]


def test_small_images_are_null_and_counted(miqd: Miqd, out: Path) -> None:
    done = miqd("measure", "--out", out, "--measures", "ms_ssim,gmsd")
    assert done.code == 0
    assert "ms_ssim: 20 images have no value (null); it needs at least 161 pixels a side." in " ".join(done.out.split())
    assert set(values(out, "ms_ssim").values()) == {None} and None not in values(out, "gmsd").values()
    assert stage_line(miqd("measure", "--out", out, "--measures", "ms_ssim")) == ["2", "2", "0", "0", "0"]
    assert mb.open_run(out).measures(["ms_ssim"])["ms_ssim"].null_count == 20


def test_identical_images_have_an_infinite_psnr(miqd: Miqd, run: Path, data: DataSet, tmp_path: Path) -> None:
    for file in data.images.glob("*.png"):
        Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(file)
    miqd("degrade", "--run", run, "--set", "degradations=['darkness_*']")
    assert miqd("measure", "--out", tmp_path / "out", "--measures", "psnr").code == 0
    assert set(values(tmp_path / "out", "psnr").values()) == {np.inf}


def test_a_wrong_stored_image_costs_its_own_rows(miqd: Miqd, out: Path) -> None:
    image = out / "images/scene_0/scene_0_darkness_2.png"
    right = image.read_bytes()
    image.write_bytes(encode_png(255 - decode_png(right)))
    done = miqd("measure", "--out", out, "--measures", "gmsd,bytes")
    assert done.code == 2
    assert {key[0] for key in values(out, "gmsd")} == {"scene_1", "scene_2", "scene_3"}
    status = miqd("status", "--out", out, "--failed")
    assert "measure scene_0 gmsd: UnreadableImageError" in status.out
    image.write_bytes(right)
    assert stage_line(miqd("measure", "--out", out, "--measures", "gmsd,bytes")) == ["4", "2", "10", "10", "0"]
    assert miqd("status", "--out", out).code == 0


def test_a_failing_measure_costs_its_own_part(miqd: Miqd, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(device: str, files: object) -> Callable[..., NDArray[np.float64]]:
        def core(degraded: NDArray[np.uint8], reference: NDArray[np.uint8]) -> NDArray[np.float64]:
            means = degraded.mean((1, 2, 3))
            if means.max() > 100:
                raise RuntimeError("too bright")
            return means

        return core

    monkeypatch.setitem(MEASURES._shipped, "moody", replace(MEASURES["gmsd"], name="moody", build=build))
    done = miqd("measure", "--out", out, "--measures", "moody,bytes")
    assert done.code == 2
    run = mb.open_run(out)
    bright = {(i, d) for i, d in values(out, "bytes") if run.image(i, d).mean() > 100}
    assert bright and set(values(out, "moody")) == set(values(out, "bytes")) - bright
    table = run.measures()
    assert table.num_rows == 20 and table["moody"].null_count == len(bright) and table["bytes"].null_count == 0


def test_bad_input_is_one_line(miqd: Miqd, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def error(*arguments: object) -> str:
        outcome = miqd("measure", *arguments)
        assert outcome.code == 1 and len(outcome.err.strip().splitlines()) == 1, outcome.err
        return outcome.err

    monkeypatch.setenv("MIQD_CACHE", str(tmp_path / "cache"))
    assert "holds no run: run 'miqd degrade'" in error("--out", tmp_path / "nothing", "--measures", "psnr")
    assert "holds no run" in error("--run", run, "--measures", "psnr")
    assert miqd("degrade", "--run", run).code == 0
    assert "Did you mean 'ssim'" in error("--out", tmp_path / "out", "--measures", "psnr,sim")
    assert "Give --measures one or several of psnr, ssim" in error("--out", tmp_path / "out")
    text = error("--out", tmp_path / "out", "--measures", "psnr,lpips_vgg")
    assert (
        "'vgg16' are not on disk: run 'miqd zoo fetch vgg16', or download https://" in text and str(tmp_path / "cache") in text
    )
    for file in (tmp_path / "out/variants").glob("*"):
        file.unlink()
    assert "holds no degraded images to measure" in error("--out", tmp_path / "out", "--measures", "psnr")
    assert not (tmp_path / "out/measures").exists()


def test_parts_without_variants_are_named(miqd: Miqd, run: Path, out: Path) -> None:
    (out / "variants/part-00001.parquet").unlink()
    done = miqd("measure", "--out", out, "--measures", "bytes")
    assert done.code == 2 and stage_line(done) == ["2", "0", "10", "0", "1"]
    assert "NoVariants" in miqd("status", "--out", out, "--failed").out
    assert miqd("degrade", "--run", run).code == 0
    assert stage_line(miqd("measure", "--out", out, "--measures", "bytes")) == ["2", "1", "10", "0", "0"]
    assert miqd("status", "--out", out).code == 0


def test_an_image_that_could_not_be_degraded_is_named(miqd: Miqd, run: Path, data: DataSet, tmp_path: Path) -> None:
    whole = (data.images / "scene_2.png").read_bytes()
    (data.images / "scene_2.png").write_bytes(whole[:-60])
    assert miqd("degrade", "--run", run).code == 2
    done = miqd("measure", "--out", tmp_path / "out", "--measures", "psnr,gmsd")
    assert done.code == 2 and stage_line(done) == ["4", "0", "30", "0", "2"]
    assert "measure scene_2 gmsd: NoVariants" in miqd("status", "--out", tmp_path / "out", "--failed").out
    assert {key[0] for key in values(tmp_path / "out", "psnr")} == {"scene_0", "scene_1", "scene_3"}


def test_images_kept_or_rendered_and_two_workers_give_the_same_bytes(miqd: Miqd, run: Path, out: Path, tmp_path: Path) -> None:
    names = ("--measures", "psnr,ssim,gmsd,bytes")
    assert miqd("measure", "--out", out, *names).code == 0
    rendered = tmp_path / "rendered"
    assert miqd("degrade", "--run", run, "--images", "none", "--out", rendered).code == 0
    with miqd_process(tmp_path / "log.txt", "measure", "--out", rendered, *names, "--scheduler", "dask", "--workers", 2) as one:
        one.join()
    assert one.exitcode == 0, (tmp_path / "log.txt").read_text()
    assert part_bytes(rendered, "measures") == part_bytes(out, "measures")
    assert len(part_bytes(out, "measures")) == 8


def test_killed_and_started_again(miqd: Miqd, out: Path, tmp_path: Path) -> None:
    command = ("measure", "--out", out, "--measures", "ssim,gmsd,vif", "--set", "models_per_pass=1")
    for some in (1, 3):
        with miqd_process(tmp_path / "log.txt", *command) as process:
            wait_for(lambda: len(part_bytes(out, "measures")) >= some, "the run stands still")  # noqa: B023
            time.sleep(0.01)
            process.kill()
            process.join()
    early = len(part_bytes(out, "measures"))
    done = miqd(*command)
    assert done.code == 0 and stage_line(done)[:3] == ["6", str(early), str(60 - 10 * early)]
    killed = part_bytes(out, "measures")
    for name in killed:
        (out / name).unlink()
    assert miqd(*command).code == 0
    assert part_bytes(out, "measures") == killed and not list(out.rglob("*.tmp"))


def test_status_verify_and_views_know_the_table(miqd: Miqd, out: Path) -> None:
    assert miqd("measure", "--out", out, "--measures", "gmsd").code == 0
    lines = [line.split() for line in miqd("status", "--out", out).out.splitlines()]
    assert ["measures/measure=gmsd", "2", "0", "0", "0", "20"] in lines
    with mb.open_run(out).duckdb() as database:
        assert database.sql("select measure, count(*) from measures group by all").fetchall() == [("gmsd", 20)]
    part = out / "measures/measure=gmsd/part-00001.parquet"
    checked = dict(verify_folder(RunFolder(str(out))))
    assert checked["measures/measure=gmsd/part-00001.parquet"] is None
    content = bytearray(part.read_bytes())
    content[len(content) // 3] ^= 1
    part.write_bytes(content)
    assert "is damaged" in str(dict(verify_folder(RunFolder(str(out))))["measures/measure=gmsd/part-00001.parquet"])
