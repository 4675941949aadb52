"""What is asked for and isn't there is one clear line; a label without any value costs nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import miqd_builder as mb
from miqd_builder.benchmarking import joined
from miqd_builder.errors import ConfigError, StoreError
from tests.auditing.conftest import write_labels
from tests.benchmarking.conftest import write_measure
from tests.conftest import Outcome

NAMES = ["fog_1", "fog_5", "contrast_3"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Made-up labels of four sources, without scores, as imported ones are."""
    write_labels(tmp_path / "run", "det", 4, NAMES)
    return tmp_path / "run"


def test_unknown_measures_name_the_nearest(run: Path) -> None:
    write_measure(run, "lpips_alex", {("000000000000", "fog_1"): 0.5})
    with pytest.raises(ConfigError, match=r"Unknown measure 'lpips_alx': .*Did you mean 'lpips_alex'"):
        mb.benchmark(run, measures=["psnr", "lpips_alx"])


def test_a_measure_without_values_names_its_command(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "known_measures", lambda: ["psnr", "ssim"])
    with pytest.raises(StoreError, match=r"no values of measure 'ssim': run 'miqd measure --measures ssim' first"):
        mb.benchmark(run, measures="ssim")


def test_measures_without_labels(run: Path, tmp_path: Path) -> None:
    write_measure(run, "odd", {("000000000000", "fog_1"): 0.5})
    with pytest.raises(StoreError, match=r"has measures \(odd\) but no labels for task cls: run 'miqd label --task cls' first"):
        mb.benchmark(run, task="cls")
    for part in (run / "labels").rglob("*.parquet"):
        part.unlink()
    with pytest.raises(StoreError, match=r"has measures \(odd\) but no labels: run 'miqd label"):
        mb.benchmark(run)


def test_no_run_and_unknown_splits(run: Path, tmp_path: Path, miqd: Callable[..., Outcome]) -> None:
    none = miqd("benchmark", "--out", tmp_path / "nowhere")
    assert none.code == 1 and none.err.count("\n") == 1 and "holds no run" in none.err
    wrong = miqd("benchmark", "--out", run, "--split", "tset")
    assert wrong.code == 1 and "Unknown split 'tset'" in wrong.err and "Did you mean 'test'" in wrong.err
    assert not (run / "report").exists()


def test_nothing_is_written_where_the_json_file_cannot_be(run: Path, tmp_path: Path, miqd: Callable[..., Outcome]) -> None:
    done = miqd("benchmark", "--out", run, "--resamples", 5, "--json", tmp_path / "no/where.json")
    assert done.code == 1 and "choose another file" in done.err and (run / "report/benchmark.json").is_file()


def test_a_label_without_any_value_is_counted(tmp_path: Path, miqd: Callable[..., Outcome]) -> None:
    out = tmp_path / "run"
    rows = write_labels(out, "det", 4, NAMES, accuracy_weighted=None, composite=None)
    write_measure(out, "empty", {(row["source_id"], row["degradation"]): None for row in rows})
    found = mb.benchmark(out, resamples=5).tasks["det"]
    counts = {(r.label, r.measure): (r.n, r.dropped) for r in found.records if r.subset == "all"}
    assert counts["consistency", "psnr"] == (12, 0) and counts["consistency", "empty"] == (0, 12)
    assert counts["composite", "psnr"] == counts["accuracy", "degradation_mean"] == (0, 12)
    assert {
        "empty has no value for any of these images.",
        "There is no accuracy for any of these images.",
        "There is no composite for any of these images.",
    } <= set(found.notes)
    done = miqd("benchmark", "--out", out, "--resamples", 5)
    assert done.code == 0 and "There is no accuracy for any of these images." in done.out
    assert "none: fewer than two models with scores" in (out / "report/benchmark.md").read_text()


def test_trivial_baselines_are_always_shown(tmp_path: Path) -> None:
    out = tmp_path / "run"
    rows = write_labels(out, "det", 4, NAMES)
    keys = [(row["source_id"], row["degradation"]) for row in rows]
    write_measure(out, "bytes", {key: float(index) for index, key in enumerate(keys)}, parts=3)
    found = mb.benchmark(out, measures=["psnr"], resamples=5).tasks["det"]
    assert [r.measure for r in found.overall("composite")] == ["psnr", "bytes", "degradation_mean"]
    alone = mb.benchmark(out, measures="degradation_mean", resamples=5).tasks["det"]
    assert [r.measure for r in alone.overall("composite")] == ["bytes", "degradation_mean"]
