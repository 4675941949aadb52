"""Labels come back from every format as they were, and what is wrong in one is one line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import miqd_builder as mb
from miqd_builder.errors import ConfigError
from miqd_builder.formats.webdataset.tars import to_json
from miqd_builder.tables.schema import LABELS
from tests.conftest import Outcome
from tests.formats.publication.conftest import TASKS, Small

KEYS = [("source_id", "ascending"), ("degradation", "ascending")]
KEPT_BY_PYIQA = ["consistency_std", "consistency_weighted", "accuracy_std", "accuracy_weighted", "composite"]


@pytest.fixture(scope="module")
def folders(small: Small, published: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The run in every format."""
    found = {"huggingface": published}
    for name in ("webdataset", "pyiqa", "miqd"):
        found[name] = tmp_path_factory.mktemp(name) / "data"
        mb.publish(small.out, to=found[name], licence="cc-by-4.0", format=name)
    return found


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", ["huggingface", "webdataset", "pyiqa", "miqd"])
def test_labels_come_back_to_the_last_bit(small: Small, folders: dict[str, Path], tmp_path: Path, name: str, task: str) -> None:
    mb.import_labels(folders[name], out=tmp_path / "back", task=task, format=name)
    back, there = (mb.open_run(run).labels(task).sort_by(KEYS) for run in (tmp_path / "back", small.out))
    assert back.schema == there.schema == LABELS[task]
    columns = LABELS[task].names
    if name == "pyiqa":
        columns = [*LABELS[task].names[:8], *KEPT_BY_PYIQA]
        assert back["consistency_mean"].null_count == back.num_rows
    elif name == "miqd":
        columns = [column for column in columns if column not in ("psnr", "recipe")]
    assert back.select(columns).equals(there.select(columns))
    values = pc.unique(there["consistency_weighted"]).to_pylist()
    assert any(value not in (0.0, 1.0) for value in values), "the labels say too little"


def test_infinite_psnr_comes_back() -> None:
    assert to_json({"psnr": float("inf"), "labels": {"det": {"psnr": float("-inf"), "n": 1}}}) == (
        b'{"psnr": "inf", "labels": {"det": {"psnr": "-inf", "n": 1}}}'
    )


def spoil_parquet(folder: Path) -> None:
    file = folder / "labels-det/test-00000-of-00001.parquet"
    pq.write_table(pq.read_table(file).drop_columns("composite"), file)


def double_parquet(folder: Path) -> None:
    shutil.copy(folder / "labels-det/test-00000-of-00001.parquet", folder / "labels-det/train-00001-of-00002.parquet")


def retype_parquet(folder: Path) -> None:
    file = folder / "labels-det/test-00000-of-00001.parquet"
    table = pq.read_table(file)
    at = table.column_names.index("composite")
    pq.write_table(table.set_column(at, "composite", pa.array(["good"] * table.num_rows)), file)


def cut_parquet(folder: Path) -> None:
    file = folder / "labels-det/test-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes()[:-30])


def cut_tar(folder: Path) -> None:
    file = next(folder.glob("test-*.tar"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / "meta_info_det_consistency.csv"
    lines = file.read_text().splitlines()
    lines[1] = lines[1].replace(old, new)
    file.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("huggingface", spoil_parquet, "has no column 'composite'"),
        ("huggingface", double_parquet, "is in 'test-00000-of-00001.parquet' and in 'train-00001-of-00002.parquet'"),
        ("huggingface", retype_parquet, "has a column of another type"),
        ("huggingface", cut_parquet, "can't be read"),
        ("webdataset", cut_tar, "can't be read"),
        ("pyiqa", lambda folder: edit(folder, "_darkness_1.png", "_darknes_1.png"), "row 2: Unknown degradation"),
        (
            "pyiqa",
            lambda folder: edit(folder, ".png,", ".jpg,"),
            "row 2: 'scene_0/scene_0_darkness_1.jpg' is no degraded image",
        ),
        (
            "pyiqa",
            lambda folder: edit(folder, "_darkness_1.png", "_darkness_2.png"),
            "row 3: 'scene_0/scene_0_darkness_2.png' is",
        ),
        ("pyiqa", lambda folder: edit(folder, ",train", "x,train"), "mos and std must be numbers"),
    ],
)
def test_a_spoilt_file_is_one_line(
    miqd: Callable[..., Outcome],
    folders: dict[str, Path],
    tmp_path: Path,
    name: str,
    spoil: Callable[[Path], Any],
    message: str,
) -> None:
    folder = tmp_path / "there"
    shutil.copytree(folders[name], folder)
    spoil(folder)
    result = miqd("import", "--format", name, "--task", "det", folder, "--out", tmp_path / "out")
    assert result.code == 1 and message in result.err and result.err.strip().count("\n") == 0, result.err


@pytest.mark.parametrize("name", ["huggingface", "webdataset", "pyiqa"])
def test_nothing_to_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"holds nothing in format {name}"):
        mb.import_labels(tmp_path, out=tmp_path / "out", format=name)
    with pytest.raises(ConfigError, match=str(tmp_path)):
        mb.import_labels(tmp_path, out=tmp_path / "out", task="det", format=name)


def test_export_names_the_command_that_publishes(small: Small, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Format huggingface is written by 'miqd publish'"):
        mb.export(small.out, to=tmp_path, format="huggingface")
