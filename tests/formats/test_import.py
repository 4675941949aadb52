"""Published labels read back: the same labels, and one line for what is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import degradations
from miqd_builder.errors import ConfigError
from miqd_builder.formats.miqd.reading import read_labels
from miqd_builder.formats.miqd.writing import label_csvs
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import stored_labels
from miqd_builder.tables.schema import LABELS
from tests.conftest import Outcome, part_bytes
from tests.formats.conftest import PUBLISHED_TASKS, Labelled

Miqd = Callable[..., Outcome]


@pytest.fixture
def det_labels(exported: Path, tmp_path: Path) -> Path:
    """A copy of the detection labels, to be spoilt."""
    shutil.copytree(exported / "miqa_det/labels", tmp_path / "miqa_det/labels")
    return tmp_path / "miqa_det/labels"


@pytest.mark.parametrize("task", PUBLISHED_TASKS)
def test_export_and_import_give_the_same_labels(
    miqd: Miqd, labelled: Labelled, exported: Path, tmp_path: Path, task: str
) -> None:
    assert miqd("import", exported, "--out", tmp_path / "back", "--task", task).code == 0
    back, there = stored_labels(RunFolder(str(tmp_path / "back")), task), labelled.labels(task)
    lost = {"psnr", "recipe", *(["n_models"] if task == "cls" else [])}
    kept = [name for name in there.column_names if name not in lost]
    assert back.schema == there.schema
    assert back.select(kept).to_pylist() == there.select(kept).to_pylist()
    assert set(back["recipe"].to_pylist()) == {"published"} and back["psnr"].null_count == back.num_rows
    assert len({v for v in there["consistency_weighted"].to_pylist() if v not in (0, 1)}) >= 1, "the labels say too little"


def test_imported_labels_are_audited_compared_and_verified(
    miqd: Miqd, labelled: Labelled, exported: Path, tmp_path: Path
) -> None:
    out = tmp_path / "back"
    imported = miqd("import", exported, "--out", out)
    assert imported.code == 0 and imported.out.count("120 labels imported") == 3
    assert "Classification" in (miqd("audit", "--out", out), (out / "report/index.html").read_text())[1]
    assert "darkness" in miqd("audit", "--out", out).out
    assert miqd("verify", "--out", out).code == 0
    assert "labels/task=ins" in miqd("status", "--out", out).out
    statistics = miqd("audit", "--label-statistics", "--resamples", 20, "--out", out)
    assert statistics.code == 0 and "std accuracy" in statistics.out and "Too small" in statistics.out
    compared = miqd("compare", labelled.out("det"), out)
    assert compared.code == 0 and "120 degraded images in both, 0 only in A, 0 only in B" in compared.out
    assert "det: no differences." in compared.out and "ins: no differences." in compared.out


def test_second_import_keeps_parts_and_follows_changes(miqd: Miqd, det_labels: Path, tmp_path: Path) -> None:
    command = ("import", tmp_path, "--out", tmp_path / "out")
    miqd(*command)
    before = part_bytes(tmp_path / "out")
    times = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in before}
    miqd(*command)
    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in before} == times
    for kind in ("accuracy", "consistency"):
        (det_labels / f"00000scene_1_{kind}.csv").unlink()
    assert "90 labels imported" in miqd(*command).out
    assert stored_labels(RunFolder(str(tmp_path / "out")), "det")["source_id"].unique().to_pylist() == [
        "scene_0",
        "scene_2",
        "scene_3",
    ]


def test_run_of_its_own_is_not_overwritten(miqd: Miqd, labelled: Labelled, exported: Path) -> None:
    before = part_bytes(labelled.out("det"))
    result = miqd("import", exported, "--out", labelled.out("det"))
    assert result.code == 1 and "holds a run of its own" in result.err
    assert part_bytes(labelled.out("det")) == before


def change(file: str, old: str, new: str) -> Callable[[Path], None]:
    def apply(labels: Path) -> None:
        path = labels / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return apply


def delete(file: str) -> Callable[[Path], None]:
    return lambda labels: (labels / file).unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            change("00000scene_1_consistency.csv", "darkness_2", "darknes_2"),
            "row 3: Unknown degradation 'darknes_2'. Did you mean",
        ),
        (
            change("00000scene_1_consistency.csv", "scene_1_darkness_2", "scene_2_darkness_2"),
            "no degraded image of '00000scene_1'",
        ),
        (change("00000scene_1_consistency.csv", "darkness_2.png", "../../x.png"), "no degraded image"),
        (change("00000scene_1_accuracy.csv", "scene_1_darkness_2", "scene_1_darkness_3"), "list other images from row 3 on"),
        (change("00000scene_1_accuracy.csv", '_2.png",', '_2.png",7'), "row 3: AP_weighted_avg is 7"),
        (change("00000scene_1_accuracy.csv", '_2.png",', '_2.png",x'), "must hold numbers"),
        (change("00000scene_1_accuracy.csv", "AP_weighted_avg", "AP"), "has no column 'AP_weighted_avg'"),
        (change("00000scene_1_accuracy.csv", '_2.png",', '_2.png",1,1,1,1,1,1,'), "can't be read"),
        (delete("00000scene_1_accuracy.csv"), "00000scene_1_accuracy.csv' is missing"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(
    miqd: Miqd, det_labels: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(det_labels)
    result = miqd("import", tmp_path, "--out", tmp_path / "out", "--task", "det")
    assert result.code == 1 and message in result.err.splitlines()[-1]
    assert "Traceback" not in result.err


def test_folder_without_labels_is_named(miqd: Miqd, tmp_path: Path) -> None:
    for options in ((), ("--task", "det")):
        result = miqd("import", tmp_path, "--out", tmp_path / "out", *options)
        assert result.code == 1 and str(tmp_path) in result.err
    assert not (tmp_path / "out").exists()


def test_minus_one_means_no_ground_truth(tmp_path: Path) -> None:
    for kind, value in {"accuracy": -1, "consistency": 0.5}.items():
        (tmp_path / f"000000000139_{kind}.csv").write_text(f"filename,AP_weighted_avg\n000000000139_fog_1.png,{value}\n")
    row = read_labels("det", tmp_path, "000000000139").to_pylist()[0]
    assert row["accuracy_weighted"] is None and row["composite"] is None and row["consistency_weighted"] == 0.5
    assert row["n_models"] is None and row["consistency_mean"] is None


def test_file_of_two_listings_of_an_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x_mmos.csv").write_text("dist_images\nx/x_fog_1.png\nx/x_fog_1.png\n")
    with pytest.raises(ConfigError, match=r"row 3: 'x_fog_1\.png' is listed twice"):
        read_labels("cls", tmp_path, "x")


NUMBERS = st.one_of(st.none(), st.floats(0, 1))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_numbers_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    names = degradations.names()[: data.draw(st.integers(1, 4))]
    fixed = {"source_id": "7", "file_name": "7/x", "n_models": 0, "recipe": "r"}
    columns = {
        field.name: [data.draw(NUMBERS) if pa.types.is_floating(field.type) else fixed.get(field.name)] * len(names)
        for field in LABELS["det"]
    }
    labels = pa.table({**columns, "degradation": names}, schema=LABELS["det"])
    scores = {
        f"m{i}": pa.table({m: [data.draw(NUMBERS) for _ in names] for m in ("consistency", "accuracy")}) for i in range(2)
    }
    folder = tmp_path_factory.mktemp("labels")
    for kind, content in label_csvs("det", labels, scores).items():
        (folder / f"000000000007_{kind}.csv").write_bytes(content)
    back = read_labels("det", folder, "000000000007")
    for column in ("consistency_weighted", "accuracy_ap50_weighted", "consistency_ap75_weighted"):
        assert back[column].to_pylist() == labels[column].to_pylist()
    for row, mean in enumerate(back["accuracy_mean"].to_pylist()):
        known = [v for table in scores.values() if (v := table["accuracy"][row].as_py()) is not None]
        assert mean == (pytest.approx(np.mean(known)) if known else None)
