"""``miqd assess``: files in, rows out, errors among them, and a second start that goes on."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import miqd_builder as mb
from machine_iqa import MIQAModel
from machine_iqa.assessing import assess_files
from machine_iqa.listing import find_files
from miqd_builder.errors import ConfigError
from tests.conftest import Outcome
from tests.machine_iqa.films import film
from tests.machine_iqa.pictures import picture

Miqd = Callable[..., Outcome]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten pictures in two folders, one of them broken, and a hidden one."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for index in range(10):
        name = f"in/{'deep/' if index > 6 else ''}{index}.png"
        Image.fromarray(picture(40 + index, 60, seed=index)).save(tmp_path / name)
    (tmp_path / "in" / "3.png").write_text("broken")
    (tmp_path / "in" / ".hidden.png").write_text("broken")
    (tmp_path / "in" / "notes.txt").write_text("no image")
    return tmp_path / "in"


def read(file: Path) -> list[dict[str, Any]]:
    if file.suffix == ".parquet":
        return pq.read_table(file).to_pylist()
    return json.loads(file.read_text()) if file.suffix == ".json" else list(csv.DictReader(file.open()))


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_a_folder(miqd: Miqd, folder: Path, model_file: Path, model: MIQAModel, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"scores{suffix}"
    command = ("assess", folder, "--model", model_file, "--device", "cpu", "--out", out, "--task", "det")
    done = miqd(*command)
    assert done.code == 2 and "3.png" in done.err and "10/10" in done.err, done.err
    rows = read(out)
    assert [Path(row["path"]).name for row in rows] == [f"{i}.png" for i in range(10)]
    for row in rows:
        if Path(row["path"]).name == "3.png":
            assert "no format" in row["error"] and row["score"] in (None, "")
            continue
        scores = model.assess_all(row["path"])
        assert float(row["score"]) == pytest.approx(scores["det"]["composite"], abs=1e-5)
        assert float(row["ins_accuracy"]) == pytest.approx(scores["ins"]["accuracy"], abs=1e-5)
        assert row["error"] in (None, "")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in", out.name]

    Image.fromarray(picture()).save(folder / "3.png")
    (folder / "0.png").write_text("broken after it was assessed")
    again = miqd(*command)
    assert again.code == 0, again.err
    assert {row["path"]: row["score"] for row in rows if not row["error"]}.items() <= {
        row["path"]: row["score"] for row in read(out)
    }.items()
    assert len(read(out)) == 10 and not any(row["error"] for row in read(out))
    other = miqd("assess", folder, "--model", model_file, "--out", out, "--task", "cls")
    assert other.code == 1 and "holds scores of 'tiny det composite" in other.err


def test_what_a_killed_process_left_is_kept(folder: Path, model_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    whole = mb.assess(folder, model=str(model_file), device="cpu", out=out)
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    (folder / "0.png").unlink()
    Image.fromarray(picture()).save(folder / "0.png")  # another picture now: its row stays
    second = mb.assess(folder, model=str(model_file), device="cpu", out=out)
    for before, after in zip(whole.rows, second.rows, strict=True):
        assert before["path"] == after["path"] and after["score"] == pytest.approx(before["score"], abs=1e-5)
    assert second.rows[0]["score"] == whole.rows[0]["score"]
    assert len(read(out)) == 10

    parquet = tmp_path / "scores.parquet"
    (tmp_path / "scores.parquet.part").write_bytes(b"".join(lines[:3]) + lines[3][:20])
    third = mb.assess(folder, model=str(model_file), device="cpu", out=parquet)
    assert third.rows[0]["score"] == whole.rows[0]["score"] and len(read(parquet)) == 10
    assert not (tmp_path / "scores.parquet.part").exists()


def test_an_error_keeps_the_rows_so_far(
    folder: Path, model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "scores.json"
    calls: list[int] = []
    scores = MIQAModel.scores_of_views

    def fails_later(self: MIQAModel, views: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return scores(self, views)

    monkeypatch.setattr(MIQAModel, "scores_of_views", fails_later)
    with pytest.raises(KeyboardInterrupt):
        mb.assess(folder, model=str(model_file), device="cpu", out=out, workers=1)
    assert len(read(out)) == 8


def test_threads_change_nothing(folder: Path, model: MIQAModel) -> None:
    files = [file for file in find_files([folder]) if file.name != "3.png"]
    one, three = ([row["score"] for row in assess_files(model, files, workers=count)] for count in (1, 3))
    np.testing.assert_allclose(one, three, atol=1e-6)
    np.testing.assert_allclose(one, [model.assess(file) for file in files], atol=1e-5)


def test_videos(miqd: Miqd, model_file: Path, tmp_path: Path) -> None:
    for name in ("a/v.mp4", "b/v.mp4"):
        (tmp_path / name).parent.mkdir()
        film(tmp_path / name, frames=12)
    (tmp_path / "b" / "bad.mp4").write_text("no video")
    out = tmp_path / "s.json"
    done = miqd("assess", tmp_path / "a", tmp_path / "b", "--model", model_file, "--device", "cpu", "--out", out, "--frames", 4)
    assert done.code == 2 and "can't be opened" in done.err
    curves = tmp_path / "s_curves"
    assert sorted(file.suffix for file in curves.iterdir()) == [".json", ".json", ".png", ".png"]
    records = [json.loads(file.read_text()) for file in sorted(curves.glob("*.json"))]
    rows = read(out)
    assert sorted(record["mean_score"] for record in records) == sorted(
        row["score"] for row in rows if row["score"] is not None
    )
    assert {row["kind"] for row in rows} == {"video"} and all(len(record["frames"]) == 4 for record in records)
    done = miqd("assess", tmp_path / "a/v.mp4", "--model", model_file, "--device", "cpu", "--annotate", tmp_path / "shown")
    assert done.code == 0 and sorted(file.name for file in (tmp_path / "shown").iterdir()) == ["v.json", "v.mp4", "v.png"]
    with av.open(str(tmp_path / "shown" / "v.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_scores_on_the_terminal(miqd: Miqd, folder: Path, model_file: Path, model: MIQAModel) -> None:
    done = miqd("assess", folder / "0.png", f"{folder}/deep/*.png", "--model", model_file, "--device", "cpu")
    lines = done.out.splitlines()
    assert done.code == 0 and len(lines) == 4
    assert lines[0] == f"{model.assess(folder / '0.png'):.4f}  {folder / '0.png'}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Nothing to assess"),
        (("nowhere.png",), "'nowhere.png' is not there"),
        (("{empty}",), "holds no images or videos"),
        (("{empty}/*.png",), "fits no file"),
        (("{folder}", "--out", "x.txt"), "Unknown format"),
        (("{folder}", "--out", "nowhere/x.csv"), "is not there"),
        (("{folder}", "--out", "{folder}/notes.csv"), "another model, or something else"),
        (("{folder}", "--task", "dett"), "Did you mean 'det'"),
        (("--camera", "99"), "Camera 99 can't be opened"),
        (("--camera", "99", "--out", "x.csv"), "--camera goes without files"),
        (("{folder}", "--seconds", "3"), "belongs to --camera"),
    ],
)
def test_wrong_use(
    miqd: Miqd, folder: Path, model_file: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    given = [argument.format(empty=tmp_path / "empty", folder=folder) for argument in arguments]
    done = miqd("assess", *given, "--model", model_file)
    assert done.code == 1 and message in " ".join(done.err.split()), done.err
    assert (folder / "notes.csv").read_text() == "a,b\n1,2\n"


def test_a_missing_model_says_what_to_do(miqd: Miqd, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("machine_iqa.opening.SHIPPED", tmp_path)
    done = miqd("assess", folder)
    assert done.code == 1 and "miqa_small.safetensors is missing" in done.err and len(done.err.splitlines()) == 1


def test_files_in_order_each_once(folder: Path) -> None:
    found = find_files([folder / "deep", folder, folder / "notes.txt"])
    assert [file.name for file in found[:3]] == ["7.png", "8.png", "9.png"] and found[-1].name == "notes.txt"
    assert len(found) == len(set(found)) == 11
    with pytest.raises(ConfigError, match="workers"):
        assess_files(None, [], workers=0)  # type: ignore[arg-type]
