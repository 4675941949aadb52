"""``miqd verify --recompute`` and what ``run.json`` says of how a run was made."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from PIL import Image

from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer, read_part, write_part
from miqd_builder.store.record import RunRecord
from pipelines.stages.recompute import sample_parts
from tests.conftest import DataSet, toy_entry, write_run, write_zoo

DEGRADATIONS = ["darkness_[25]", "gaussian_noise_3"]


@pytest.fixture
def run(tmp_path: Path, data: DataSet) -> Path:
    entries = [toy_entry(name, task, "blobs") for name, task in (("blobs", "det"), ("strict", "det"), ("masks", "ins"))]
    return write_run(tmp_path, data, write_zoo(tmp_path / "zoo.yaml", entries), degradations=DEGRADATIONS)


def replace_column(out: Path, name: str, column: str, values: list[object]) -> None:
    """Write a part again that is whole, with other values."""
    folder = RunFolder(str(out))
    table, footer = read_part(folder, name), read_footer(folder, name)
    assert footer is not None
    index = table.schema.get_field_index(column)
    table = table.set_column(index, table.schema.field(index), pa.array(values, table.schema.field(index).type))
    write_part(folder, name, table, footer.lineage, extra=footer.extra)


@pytest.mark.parametrize("weights", ["metric", "measured"])
def test_a_run_that_can_be_reproduced(miqd, run: Path, tmp_path: Path, weights: str) -> None:
    for task in ("det", "ins"):
        assert miqd("label", "--task", task, "--run", run, "--set", f"weights={weights}").code == 0
    one = miqd("verify", "--out", tmp_path / "out", "--recompute", 0.01)
    assert one.code == 0 and "Computed again and compared 10 files, 0 with problems." in one.out
    every = miqd("verify", "--out", tmp_path / "out", "--recompute", 1)
    assert every.code == 0 and "Computed again and compared 20 files, 0 with problems." in every.out


@pytest.mark.parametrize(
    ("name", "column", "change"),
    [
        ("variants/part-00000.parquet", "pixel_sha256", lambda v: "0" * 64),
        ("responses/task=det/model=blobs/part-00001.parquet", "scores", lambda v: [x * 0.5 for x in v]),
        ("scores/task=det/model=strict/part-00000.parquet", "consistency", lambda v: v - 0.25),
        ("labels/task=det/part-00001.parquet", "consistency_weighted", lambda v: v - 0.25),
    ],
)
def test_a_part_that_says_something_else(miqd, run: Path, tmp_path: Path, name: str, column: str, change) -> None:
    miqd("label", "--task", "det", "--run", run, "--images", "none")
    values = read_part(RunFolder(str(tmp_path / "out")), name)[column].to_pylist()
    replace_column(tmp_path / "out", name, column, [change(values[0]), *values[1:]])
    assert miqd("verify", "--out", tmp_path / "out").code == 0, "the file is whole"
    result = miqd("verify", "--out", tmp_path / "out", "--recompute", 1)
    assert result.code == 2
    assert f"{name} differs in {column} when made again, in 1 of" in result.out and "1 with problems" in result.out


def test_a_source_image_that_changed(miqd, data: DataSet, run: Path, tmp_path: Path) -> None:
    miqd("label", "--task", "det", "--run", run)
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(data.images / "scene_0.png")
    result = miqd("verify", "--out", tmp_path / "out", "--recompute", 1)
    assert result.code == 2
    assert "variants/part-00000.parquet was made from other inputs than there are now (sources)" in result.out
    assert "variants/part-00001.parquet" not in result.out


def test_a_run_of_degrade_alone(miqd, run: Path, tmp_path: Path) -> None:
    miqd("degrade", "--run", run)
    result = miqd("verify", "--out", tmp_path / "out", "--recompute", 1)
    assert result.code == 0 and "compared 4 files, 0 with problems" in result.out


def test_measures_are_computed_again(miqd, run: Path, tmp_path: Path) -> None:
    miqd("degrade", "--run", run)
    assert miqd("measure", "--out", tmp_path / "out", "--measures", "psnr,gmsd").code == 0
    result = miqd("verify", "--out", tmp_path / "out", "--recompute", 1)
    assert result.code == 0 and "compared 8 files, 0 with problems" in result.out
    name = "measures/measure=gmsd/part-00001.parquet"
    values = read_part(RunFolder(str(tmp_path / "out")), name)["value"].to_pylist()
    replace_column(tmp_path / "out", name, "value", [values[0] + 0.1, *values[1:]])
    result = miqd("verify", "--out", tmp_path / "out", "--recompute", 1)
    assert result.code == 2 and f"{name} differs in value when made again, in 1 of" in result.out


def test_measures_whose_weights_are_gone_are_named(miqd, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIQD_CACHE", str(tmp_path / "cache"))
    miqd("degrade", "--run", run)
    weights, rng = tmp_path / "niqe.npz", np.random.default_rng(0)
    root = rng.normal(size=(36, 36))
    np.savez(
        weights, mu_pris_param=rng.normal(size=(1, 36)), cov_pris_param=root @ root.T, gaussian_window=np.ones((7, 7)) / 49
    )
    own, sha256 = tmp_path / "own.yaml", hashlib.sha256(weights.read_bytes()).hexdigest()
    place = {"path": str(weights), "sha256": sha256}
    own.write_text(yaml.safe_dump({"weights": [{"name": "niqe", "licence": "mine", "places": [place]}]}))
    assert miqd("measure", "--out", tmp_path / "out", "--measures", "niqe", "--own-weights", own).code == 0
    command = json.loads((tmp_path / "out/run.json").read_text())["commands"][-1]
    assert command["hashes"]["own_weights"] == {str(own): hashlib.sha256(own.read_bytes()).hexdigest()}
    assert miqd("verify", "--out", tmp_path / "out", "--recompute", 1).code == 0
    weights.unlink()
    result = miqd("verify", "--out", tmp_path / "out", "--recompute", 1)
    assert result.code == 2 and "can't be computed again: Weights 'niqe' are not on disk" in " ".join(result.out.split())


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5])
def test_a_fraction_that_is_none(miqd, run: Path, tmp_path: Path, fraction: float) -> None:
    miqd("degrade", "--run", run)
    result = miqd("verify", "--out", tmp_path / "out", "--recompute", fraction)
    assert result.code == 1 and f"--recompute {fraction:g}: expected a share" in result.err


@pytest.mark.parametrize(("parts", "fraction", "count"), [(500, 0.01, 5), (5, 0.01, 1), (3, 1.0, 3), (7, 0.3, 3)])
def test_the_sample(parts: int, fraction: float, count: int) -> None:
    record = RunRecord(0, "png", "saliency", [], parts=[[str(i)] for i in range(parts)])
    sample = sample_parts(record, fraction, seed=1)
    assert len(set(sample)) == count and set(sample) <= set(range(parts))
    assert sample == sample_parts(record, fraction, seed=1)


def test_run_json_says_how_the_run_was_made(miqd, run: Path, tmp_path: Path) -> None:
    miqd("label", "--task", "det", "--run", run)
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["seed"] == 3
    assert record["versions"]["python"] == platform.python_version() and "torch" in record["versions"]
    assert record["environment"]["os"] == platform.platform()
    assert {"cpu", "cores", "gpu", "git"} <= set(record["environment"])
    (command,) = record["commands"]
    assert (command["command"], command["task"], command["config"]["source"]["kind"]) == ("label", "det", "coco")
    hashes = command["hashes"]
    assert hashes["zoo"] == {str(tmp_path / "zoo.yaml"): hashlib.sha256((tmp_path / "zoo.yaml").read_bytes()).hexdigest()}
    assert set(hashes["models"]) == {"blobs", "strict"}
    before = hashes["run_file"]
    miqd("label", "--task", "det", "--run", run, "--set", "weights=uniform")
    (command,) = json.loads((tmp_path / "out/run.json").read_text())["commands"]
    again = command["hashes"]
    assert again["run_file"] != before and again["models"] == hashes["models"]
