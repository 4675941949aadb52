"""Which ROI kind a run gets whose run file states none: decided once, said in one line, never changed in mid-run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from miqd_builder.config import RoiConfig, RunConfig
from miqd_builder.roi import roi_mask, salient_models, stored
from miqd_builder.roi.salient_models import DEFAULT, SalientInput, SalientModel
from miqd_builder.roi.stored import decode_mask
from miqd_builder.sources import SourceImage
from miqd_builder.zoo.entry import Checkpoint
from pipelines import roi_default
from tests.conftest import DataSet, Outcome, write_run
from tests.tiny_onnx import redness

Miqd = Callable[..., Outcome]


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the default network of these tests lies once it is installed."""
    file = tmp_path / "net.onnx"
    model = SalientModel(name=DEFAULT, checkpoint=Checkpoint(path=file), preprocess=SalientInput(size=64))
    monkeypatch.setattr(salient_models, "shipped_networks", lambda: {DEFAULT: model})
    return file


def arguments(data: DataSet, out: Path, *more: str) -> list[object]:
    source = ["--set", "source.kind=folder", "--set", f"source.images={data.images}"]
    return ["degrade", "--out", out, *source, "--set", "scheduler=inline", "--set", "degradations=[darkness_1]", *more]


def kind_of(out: Path) -> str:
    return str(json.loads((out / "run.json").read_text())["roi"])


def test_the_default_is_salient_and_stays_so(miqd: Miqd, data: DataSet, tmp_path: Path, network: Path) -> None:
    network.write_bytes(redness(64))
    out = tmp_path / "out"
    first = miqd(*arguments(data, out))
    assert first.code == 0 and "spectral residual" not in first.out
    assert kind_of(out) == "salient"
    stored = sorted((out / "roi").iterdir())
    assert [path.name for path in stored] == [f"scene_{number}.png" for number in range(4)]
    assert decode_mask(stored[0].read_bytes())[1].startswith("salient 1 ")
    content = network.read_bytes()
    network.unlink()
    more = arguments(data, out, "--set", "degradations=[darkness_1, darkness_2]")
    gone = miqd(*more)
    assert gone.code == 1 and "net.onnx" in gone.err and kind_of(out) == "salient"
    network.write_bytes(content)
    assert miqd(*arguments(data, out)).code == 0
    refused = miqd(*arguments(data, out, "--set", "roi.kind=saliency"))
    assert refused.code == 1 and "was made with roi.kind = salient, not saliency" in refused.err


def test_without_a_network_it_is_the_spectral_residual_and_stays_so(
    miqd: Miqd, data: DataSet, tmp_path: Path, network: Path
) -> None:
    out = tmp_path / "out"
    first = miqd(*arguments(data, out))
    (line,) = [line for line in first.out.splitlines() if "spectral residual" in line]
    assert first.code == 0 and "no better than a blob in the middle" in line and "'make setup' installs it" in line
    assert kind_of(out) == "saliency"
    variants = (out / "variants/part-00000.parquet").read_bytes()
    network.write_bytes(redness(64))
    again = miqd(*arguments(data, out))
    assert again.code == 0 and "this run folder was made with it" in again.out
    assert (out / "variants/part-00000.parquet").read_bytes() == variants


def test_every_mask_is_made_once_whoever_renders(
    miqd: Miqd, data: DataSet, zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def count(config: RoiConfig, source: SourceImage, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        made.append(source.source_id)
        return roi_mask(config, source, image)

    monkeypatch.setattr(stored, "roi_mask", count)
    run = write_run(tmp_path, data, zoo, images="none", degradations=["darkness_1"])
    assert miqd("label", "--task", "det", "--run", run).code == 0
    assert sorted(made) == [f"scene_{number}" for number in range(4)], "once for all variants and both models"
    assert miqd("label", "--task", "ins", "--run", run).code == 0 and len(made) == 4
    shutil.rmtree(tmp_path / "out/roi")
    shutil.rmtree(tmp_path / "out/responses/task=ins")
    assert miqd("label", "--task", "ins", "--run", run).code == 0 and len(made) == 8


def test_what_is_asked_for_is_never_replaced(miqd: Miqd, data: DataSet, tmp_path: Path, network: Path) -> None:
    for setting in ("roi.kind=salient", f"roi.model={DEFAULT}"):
        asked = miqd(*arguments(data, tmp_path / "out", "--set", setting))
        assert asked.code == 1 and "net.onnx" in asked.err and not (tmp_path / "out").exists()


def test_without_onnxruntime_too(tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network.write_bytes(redness(64))
    fields = {"out": str(tmp_path / "out"), "source": {"kind": "folder", "images": tmp_path}}
    assert roi_default.settle_roi(RunConfig.model_validate(fields))[0].roi.kind == "salient"
    monkeypatch.setattr("miqd_builder.roi.salient.find_spec", lambda name: None)
    config, notes = roi_default.settle_roi(RunConfig.model_validate(fields))
    assert config.roi.kind == "saliency" and "the package onnxruntime is not installed" in notes[0]
