"""SSIM and MS-SSIM against independent computations, and as columns of variants."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.ndimage import correlate1d
from skimage import data as pictures
from skimage.metrics import structural_similarity

import degradations
from miqd_builder.measures.full_reference import full_reference
from tests.conftest import DataSet, Outcome, make_data_set, part_bytes, write_run

pytest.importorskip("piq")

Miqd = Callable[..., Outcome]
Image = np.ndarray
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@pytest.fixture(scope="module")
def pair() -> tuple[Image, Image]:
    """A photograph, large enough that some SSIMs would shrink it, whose sides halve four times; and a blurred one."""
    image = np.ascontiguousarray(pictures.astronaut()[:400, :416])
    degraded = next(degradations.render(image, source_id="a", names=["defocus_blur_2"])).pixels
    return image, degraded


def smooth(plane: Image) -> Image:
    """Gaussian window of 11, only where it lies inside."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()
    return correlate1d(correlate1d(plane, taps, axis=0), taps, axis=1)[5:-5, 5:-5]


def ssim_terms(a: Image, b: Image) -> tuple[float, float]:
    """Mean SSIM and mean contrast-structure term of one channel, from their definitions in double precision."""
    c1, c2 = 0.01**2, 0.03**2
    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b, cov = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2, smooth(a * b) - mean_a * mean_b
    structure = (2 * cov + c2) / (var_a + var_b + c2)
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return float((luminance * structure).mean()), float(structure.mean())


def halved(plane: Image) -> Image:
    return (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / 4


def multi_scale(a: Image, b: Image) -> float:
    values = []
    for channel in range(3):
        x, y, product = a[..., channel] / 255, b[..., channel] / 255, 1.0
        for scale, weight in enumerate(WEIGHTS):
            ssim, structure = ssim_terms(x, y)
            product *= (ssim if scale == 4 else structure) ** weight
            x, y = (halved(x), halved(y)) if scale < 4 else (x, y)
        values.append(product)
    return float(np.mean(values))


def test_ssim_is_that_of_skimage(pair: tuple[Image, Image]) -> None:
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = structural_similarity(*pair, channel_axis=2, data_range=255, **settings)
    assert full_reference(["ssim"], *pair)["ssim"] == pytest.approx(expected, abs=1e-4)
    assert 0.3 < expected < 0.99


def test_ms_ssim_is_that_of_its_definition(pair: tuple[Image, Image]) -> None:
    assert full_reference(["ms_ssim"], *pair)["ms_ssim"] == pytest.approx(multi_scale(*pair), abs=1e-4)


def test_equal_images_score_one(pair: tuple[Image, Image]) -> None:
    assert full_reference(["ssim", "ms_ssim"], pair[0], pair[0]) == {"ssim": pytest.approx(1), "ms_ssim": pytest.approx(1)}


@pytest.mark.parametrize(("side", "known"), [(10, set()), (11, {"ssim"}), (160, {"ssim"}), (161, {"ssim", "ms_ssim"})])
def test_too_small_an_image_has_no_value(side: int, known: set[str]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (side, side + 40, 3), dtype=np.uint8)
    values = full_reference(["ssim", "ms_ssim"], image, 255 - image)
    assert {name for name, value in values.items() if value is not None} == known


def columns(out: Path, part: int = 0) -> list[str]:
    return pq.ParquetFile(out / f"variants/part-{part:05d}.parquet").schema_arrow.names


ASKED = ("--set", "full_reference=[ssim, ms_ssim]")


def test_measures_are_added_later_without_asking_a_model_again(miqd: Miqd, run_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert miqd("label", "--task", "det", "--run", run_file).code == 0
    assert columns(out)[-1] == "pixel_sha256"
    labels = [pq.read_table(path) for path in sorted((out / "labels").rglob("*.parquet"))]
    models, images = (
        {t: part_bytes(out, t) for t in ("responses", "scores")},
        {p: p.read_bytes() for p in (out / "images").rglob("*.png")},
    )
    asked = miqd("label", "--task", "det", "--run", run_file, *ASKED)
    assert asked.code == 0 and "blobs (python): 0 inferences to run (2 of 2 parts done)" in asked.out
    assert columns(out)[-3:] == ["pixel_sha256", "ssim", "ms_ssim"]
    assert models == {t: part_bytes(out, t) for t in models}
    assert [pq.read_table(path) for path in sorted((out / "labels").rglob("*.parquet"))] == labels
    assert all(path.read_bytes() == content for path, content in images.items())
    assert miqd("verify", "--run", run_file).code == 0


def test_measures_stay_once_asked_for(miqd: Miqd, run_file: Path, data: DataSet, tmp_path: Path) -> None:
    out = tmp_path / "out"
    miqd("degrade", "--run", run_file, *ASKED)
    before = part_bytes(out, "variants")
    again = miqd("degrade", "--run", run_file)
    assert "0 to render" in again.out and part_bytes(out, "variants") == before
    rows = pq.read_table(out / "variants/part-00000.parquet").to_pylist()
    assert all(0 <= row["ssim"] <= 1 and row["ms_ssim"] is None for row in rows), "48 pixels are too few for MS-SSIM"
    darkness = [
        row["ssim"] for row in rows if row["source_id"] == "scene_0" and row["degradation"] in ("darkness_1", "darkness_5")
    ]
    assert darkness[0] > darkness[1]


def test_new_images_reuse_the_rows_of_the_others(miqd: Miqd, run_file: Path, tmp_path: Path) -> None:
    more = ("degrade", "--run", run_file, *ASKED, "--set", "sources_per_part=4")
    miqd(*more, "--limit", 2)
    rows = pq.read_table(tmp_path / "out/variants/part-00000.parquet").to_pylist()
    miqd(*more, "--set", "degradations=['darkness_*', 'gaussian_noise_?', 'fog_1']")
    kept = {
        (r["source_id"], r["degradation"]): r for r in pq.read_table(tmp_path / "out/variants/part-00000.parquet").to_pylist()
    }
    assert len(kept) == 2 * 31 and all(kept[row["source_id"], row["degradation"]] == row for row in rows)


def test_images_in_memory_have_the_same_measures(miqd: Miqd, run_file: Path, tmp_path: Path) -> None:
    miqd("degrade", "--run", run_file, *ASKED)
    miqd("degrade", "--run", run_file, *ASKED, "--images", "none", "--out", tmp_path / "memory")
    assert pq.read_table(tmp_path / "out/variants") == pq.read_table(tmp_path / "memory/variants")


def test_missing_package_is_named_before_anything_is_written(
    miqd: Miqd, run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "piq", None)
    result = miqd("degrade", "--run", run_file, *ASKED)
    assert result.code == 1 and "pip install 'miqd-builder[quality]'" in result.err and result.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_unknown_measure_is_refused(miqd: Miqd, run_file: Path) -> None:
    result = miqd("degrade", "--run", run_file, "--set", "full_reference=[lpips]")
    assert result.code == 1 and "full_reference" in result.err and "lpips" in result.err


def test_label_statistics_join_ssim(miqd: Miqd, zoo: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, make_data_set(tmp_path / "big", count=3, size=(64, 80)), zoo)
    miqd("label", "--task", "det", "--run", run, "--set", "full_reference=[ssim]")
    result = miqd("audit", "--label-statistics", "--resamples", 10, "--run", run)
    line = next(line for line in result.out.splitlines() if "SRCC(SSIM" in line)
    assert line.split()[2] != "-" and "No SSIM" not in result.out
