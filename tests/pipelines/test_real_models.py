"""The whole way with real networks: the demo zoo on the demo scenes, real weights on real photographs."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT, SHARED

TASKS = ("cls", "det", "ins")
INLINE = ("--scheduler", "inline")
REAL = SHARED / "real"
REAL_MODELS = {"cls": "mobilenet_v2_torchvision", "det": "yolox_nano", "ins": "yolo11n-seg"}


def rows(folder: Path, pattern: str) -> list[dict]:
    return [row for path in sorted(folder.glob(pattern)) for row in pq.ParquetFile(path).read().to_pylist()]


@pytest.mark.parametrize("task", TASKS)
def test_demo_slice(miqd, tmp_path: Path, task: str) -> None:
    """Uniform degradations of one scene: all models of the task predict, mild ones change little, severe ones much."""
    result = miqd(
        "label", "--task", task, "--run", ROOT / "pipelines/demo.yaml", "--out", tmp_path, "--limit", 1, *INLINE,
        "--set", "degradations=['jpeg_compression_?', 'defocus_blur_?', 'gaussian_noise_?', 'darkness_?']",
    )  # fmt: skip
    assert result.code == 0, result.out + result.err
    labels = rows(tmp_path, f"labels/task={task}/*")
    assert len(labels) == 20
    assert {row["n_models"] for row in labels} == {3 if task == "cls" else 2}
    originals = [row for row in rows(tmp_path, f"scores/task={task}/*/*") if row["degradation"] == "original"]
    assert {row["consistency"] for row in originals} == {1.0}
    assert min(row["accuracy"] for row in originals) > 0.4
    by_severity = {s: [row["consistency_mean"] for row in labels if row["roi_severity"] == s] for s in (1, 5)}
    assert sum(by_severity[1]) > sum(by_severity[5])


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/real is not beside the checkout")
@pytest.mark.parametrize("task", TASKS)
def test_real_slice(miqd, tmp_path: Path, task: str) -> None:
    """Two photographs, one model a task, 25 degradations."""
    if task == "ins":
        pytest.importorskip("ultralytics", reason="the optional extra ultralytics is not installed")
    result = miqd(
        "label", "--task", task, "--run", ROOT / "pipelines/real.yaml", "--out", tmp_path, "--limit", 2, *INLINE,
        "--set", "degradations=['contrast_*']", "--set", f"models=['{REAL_MODELS[task]}']",
    )  # fmt: skip
    assert result.code == 0, result.out + result.err
    labels = rows(tmp_path, f"labels/task={task}/*")
    assert len(labels) == 2 * 25
    mild = [row["consistency_mean"] for row in labels if row["degradation"] == "contrast_1"]
    severe = [row["consistency_mean"] for row in labels if row["degradation"] == "contrast_5"]
    assert sum(mild) > sum(severe)
    assert all(0 <= row["accuracy_mean"] <= 1 for row in labels if row["accuracy_mean"] is not None)
    originals = [row for row in rows(tmp_path, f"scores/task={task}/*/*") if row["degradation"] == "original"]
    assert {row["consistency"] for row in originals} == {1.0}
