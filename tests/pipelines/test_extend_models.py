"""The models of docs/extend.md, each added to a finished run: only the new one is run, and it counts in the labels."""

from __future__ import annotations

import contextlib
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer
from miqd_builder.zoo.build import build
from miqd_builder.zoo.entry import ModelEntry
from tests.conftest import ROOT, DataSet, part_bytes, toy_entry, write_run, write_zoo
from tests.zoo.adapters.onnx_files import Rectangle, write
from tests.zoo.small_models import RTMDET

IMAGES, DEGRADATIONS = 4, 10

PAGE = (ROOT / "docs/extend.md").read_text()
SMALL = {
    **RTMDET,
    "test_dataloader.dataset.pipeline.1.scale": (64, 64),
    "test_dataloader.dataset.pipeline.2.size": (64, 64),
}


def block(first_line: str) -> str:
    """The block of the page that begins with this line."""
    return next(text.split("```")[0] for text in re.split(r"```(?:python|yaml)\n", PAGE)[1:] if text.startswith(first_line))


def entry_of_the_page(name: str) -> dict[str, Any]:
    """The zoo entry that the page gives under this name."""
    return next(e for e in yaml.safe_load(block(f"models:\n  - name: {name}\n"))["models"] if e["name"] == name)


def mmdet_model(folder: Path) -> dict[str, Any]:
    """A config of the user's own that inherits from a shipped one, made small, and a checkpoint in OpenMMLab's form."""
    import torch

    (folder / "my_rtmdet.py").write_text(block("# my_rtmdet.py"))
    entry = entry_of_the_page("my_rtmdet") | {"cfg_options": SMALL}
    trained: Any = build(ModelEntry.model_validate(entry).relative_to(folder), random_weights=True)
    torch.save({"state_dict": trained.model.state_dict(), "meta": {"epoch": 3}}, folder / entry["checkpoint"]["path"])
    return entry


def timm_model(folder: Path) -> dict[str, Any]:
    """A name of timm's and a checkpoint on disk."""
    import timm
    from safetensors.torch import save_file

    entry = entry_of_the_page("my_mobilenet") | {"preprocess": {"resize_short": 32, "crop": 32}}
    save_file(timm.create_model(entry["arch"]).state_dict(), folder / entry["checkpoint"]["path"])
    return entry


def onnx_model(folder: Path) -> dict[str, Any]:
    """The page's own export."""
    with contextlib.chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(block("# export_onnx.py"), "export_onnx.py", "exec"), {})
    return entry_of_the_page("my_onnx")


def onnx_detector(folder: Path) -> dict[str, Any]:
    """A network that finds a bright rectangle, with the names of the page."""
    entry = entry_of_the_page("my_onnx_detector")
    height, width = entry["onnx"]["size"]
    write(Rectangle(), folder / entry["checkpoint"]["path"], (1, 3, height, width), ["boxes", "scores", "labels"])
    return entry


def python_model(folder: Path) -> dict[str, Any]:
    """Any callable, in a module of the user's."""
    (folder / "my_models.py").write_text(block("# my_models.py"))
    return entry_of_the_page("my_own")


def rows(folder: Path, pattern: str) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob(pattern)) for row in pq.ParquetFile(path).read().to_pylist()]


MAKERS = {"mmdet": mmdet_model, "timm": timm_model, "onnx": onnx_model, "onnx-det": onnx_detector, "python": python_model}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_model_joins_a_finished_run(miqd, data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "weights").mkdir()
    entry = make(tmp_path)
    task, name = entry["task"], entry["name"]
    old = toy_entry("old", task, "brightness" if task == "cls" else "blobs")
    finished = write_zoo(tmp_path / "zoo.yaml", [old])
    run = write_run(tmp_path, data, finished, degradations=["darkness_?", "gaussian_noise_?"])
    out = tmp_path / ("out-cls" if task == "cls" else "out")
    assert miqd("label", "--task", task, "--run", run).code == 0
    before = {table: part_bytes(out, table) for table in ("variants", "responses", "scores", "labels")}

    mine = write_zoo(tmp_path / "my_zoo.yaml", [entry])
    command = ("label", "--task", task, "--run", run, "--set", f"zoo=['{finished}', '{mine}']")
    assert f"{name} ({entry['backend']}): {IMAGES * (DEGRADATIONS + 1)} inferences to run" in miqd(*command, "--dry-run").out
    result = miqd(*command)
    assert result.code == 0, result.out + result.err

    after = {table: part_bytes(out, table) for table in before}
    for table in ("variants", "responses", "scores"):
        assert {part: after[table][part] for part in before[table]} == before[table]
    assert len(rows(out, f"responses/task={task}/model={name}/*")) == IMAGES * (DEGRADATIONS + 1)
    originals = [row for row in rows(out, f"scores/task={task}/model={name}/*") if row["degradation"] == "original"]
    assert [row["consistency"] for row in originals] == [1.0] * IMAGES
    labels = rows(out, f"labels/task={task}/*")
    assert len(labels) == IMAGES * DEGRADATIONS and {row["n_models"] for row in labels} == {2}


def test_engine_is_part_of_the_content_hash(miqd, data: DataSet, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    zoo = write_zoo(tmp_path / "zoo.yaml", [timm_model(tmp_path), toy_entry("toy", "cls", "brightness")])
    run = write_run(tmp_path, data, zoo, degradations=["darkness_1"], weights="uniform")
    command = ("label", "--task", "cls", "--run", run)
    assert miqd(*command).code == 0
    before = rows(tmp_path / "out-cls", "responses/task=cls/model=my_mobilenet/*")
    other = (*command, "--set", "engine=onnxruntime")
    plan = miqd(*other, "--dry-run").out
    assert "my_mobilenet (timm, onnxruntime): 8 inferences to run" in plan and "toy (python, torch): 0 inferences" in plan
    assert miqd(*other).code == 0
    after = rows(tmp_path / "out-cls", "responses/task=cls/model=my_mobilenet/*")
    assert [row["top_ids"] for row in after] == [row["top_ids"] for row in before]
    np.testing.assert_allclose([r["top_probs"] for r in after], [r["top_probs"] for r in before], atol=1e-5)
    footer = read_footer(RunFolder(str(tmp_path / "out-cls")), "responses/task=cls/model=my_mobilenet/part-00000.parquet")
    assert footer is not None and footer.extra == {"precision": "float32", "engine": "onnxruntime"}


def test_precision_is_part_of_the_content_hash(miqd, data: DataSet, tmp_path: Path) -> None:
    """Another precision is computed again and recorded; a back end that knows one only is left alone."""
    (tmp_path / "weights").mkdir()
    zoo = write_zoo(tmp_path / "zoo.yaml", [timm_model(tmp_path), toy_entry("toy", "cls", "brightness")])
    run = write_run(tmp_path, data, zoo, degradations=["darkness_1"], weights="uniform")
    out = tmp_path / "out-cls"
    predictions, footers = {}, {}
    for precision in ("float32", "bfloat16"):
        command = ("label", "--task", "cls", "--run", run, "--set", f"precision={precision}")
        plan = miqd(*command, "--dry-run").out
        assert miqd(*command).code == 0
        part = "responses/task=cls/model={}/part-00000.parquet"
        footers[precision] = {m: read_footer(RunFolder(str(out)), part.format(m)) for m in ("my_mobilenet", "toy")}
        predictions[precision] = [row["top_probs"] for row in rows(out, "responses/task=cls/model=my_mobilenet/*")]
    assert "my_mobilenet (timm, bfloat16): 8 inferences to run" in plan
    assert "toy (python, float32): 0 inferences to run" in plan
    assert predictions["float32"] != predictions["bfloat16"]
    one, other = footers["float32"], footers["bfloat16"]
    assert one["my_mobilenet"].content_hash != other["my_mobilenet"].content_hash
    assert one["my_mobilenet"].extra == {"precision": "float32"}
    assert other["my_mobilenet"].extra == {"precision": "bfloat16"}
    assert one["toy"] == other["toy"] and one["toy"].extra == {"precision": "float32"}
