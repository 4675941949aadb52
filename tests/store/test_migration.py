"""Run folders of layouts 1 and 2 are read, and brought to the present layout without losing anything."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from miqd_builder.errors import StoreError
from miqd_builder.store import migration
from miqd_builder.store.checksum import BLANK, KEY, seal
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.migration import migrate
from miqd_builder.store.parts import encode_table, read_footer, read_part, write_part
from miqd_builder.store.record import LAYOUT, CommandRecord, RunRecord
from miqd_builder.store.verification import verify_folder
from miqd_builder.tables.candidates import read_candidates
from miqd_builder.tables.lineage import VariantsLineage
from miqd_builder.tables.run import open_run
from miqd_builder.tables.schema import table_path

VARIANTS = "variants/*.parquet"


@pytest.fixture
def out(miqd, run_file: Path, tmp_path: Path) -> Path:
    """A run folder of the present layout."""
    assert miqd("label", "--task", "det", "--run", run_file).code == 0
    return tmp_path / "out"


def contents(out: Path) -> dict[str, bytes]:
    tables = ("candidates", "variants", "responses", "scores", "labels")
    return {str(path.relative_to(out)): path.read_bytes() for table in tables for path in (out / table).rglob("*.parquet")}


def to_layout_1(out: Path) -> None:
    """Rewrite a run folder as layout 1 was: candidates in the footers of variants, commands as words."""
    folder = RunFolder(str(out))
    for part, name in enumerate(folder.list(VARIANTS)):
        footer = read_footer(folder, name)
        assert footer is not None
        psnrs = read_candidates(folder, part)
        psnrs["scene_0" if part == 0 else "scene_2"]["darkness"][0] = math.inf
        metadata = {
            "miqd.fingerprint": footer.content_hash,
            "miqd.inputs": footer.lineage_json.decode(),
            "miqd.complete": "true",
            "miqd.extra": json.dumps({"candidate_psnrs": psnrs}, sort_keys=True, separators=(",", ":")),
        }
        folder.write(name, encode_table(read_part(folder, name), metadata))
        folder.remove(table_path("candidates", part))
    content = json.loads((out / "run.json").read_text())
    commands = content.pop("commands")
    words = {" ".join(filter(None, (one["command"], one["task"]))): one for one in commands}
    stages = {name: one["config"] for name, one in words.items()}
    hashes = {name: one["hashes"] for name, one in words.items()}
    content |= {KEY: BLANK, "stages": stages, "hashes": hashes, "schema_version": 1}
    (out / "run.json").write_bytes(seal(json.dumps(content, indent=1).encode()))


def candidates_of_layout_1(out: Path) -> list[dict[str, Any]]:
    folder = RunFolder(str(out))
    footers = [read_footer(folder, name) for name in folder.list(VARIANTS)]
    return [footer.extra["candidate_psnrs"] for footer in footers if footer is not None]


def problems(out: Path) -> dict[str, str]:
    return {name: problem for name, problem in verify_folder(RunFolder(str(out))) if problem is not None}


def test_the_next_run_migrates_and_computes_nothing(miqd, run_file: Path, out: Path) -> None:
    before = contents(out)
    to_layout_1(out)
    stored = candidates_of_layout_1(out)
    assert problems(out) == {} and miqd("status", "--out", out).code == 0
    result = miqd("label", "--task", "det", "--run", run_file)
    assert result.code == 0 and "0 to render" in result.out and "0 inferences to run" in result.out
    folder = RunFolder(str(out))
    assert [read_candidates(folder, part) for part in range(2)] == stored
    now = contents(out)
    assert now.keys() == before.keys()
    assert {name: data for name, data in now.items() if not name.startswith("candidates")} == {
        name: data for name, data in before.items() if not name.startswith("candidates")
    }
    record = RunRecord.load(folder)
    assert (
        record is not None and record.schema_version == LAYOUT and [str(c.key) for c in record.commands] == ["label --task det"]
    )
    assert problems(out) == {}
    assert miqd("label", "--task", "det", "--run", run_file).code == 0 and contents(out) == now


def test_migration_that_was_interrupted_goes_on(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to_layout_1(out)
    stored, folder = candidates_of_layout_1(out), RunFolder(str(out))
    write = migration.write_part
    for stop_at in (1, 2):
        left = iter([write] * (stop_at - 1))

        def stop(*arguments: Any, left: Iterator[Any] = left, **options: Any) -> None:
            if (go_on := next(left, None)) is None:
                raise StoreError("the disk is full")
            go_on(*arguments, **options)

        monkeypatch.setattr(migration, "write_part", stop)
        record = RunRecord.load(folder)
        assert record is not None and record.schema_version == 1
        with pytest.raises(StoreError, match="full"):
            migrate(folder, record)
        assert problems(out) == {}
    monkeypatch.undo()
    record = RunRecord.load(folder)
    assert record is not None and migrate(folder, record) and not migrate(folder, record)
    assert [read_candidates(folder, part) for part in range(2)] == stored


def to_layout_2(out: Path, measure: str) -> None:
    """Rewrite a run folder as layout 2 was: a measure as a column of variants."""
    folder = RunFolder(str(out))
    for part, name in enumerate(folder.list(VARIANTS)):
        footer = read_footer(folder, name)
        assert footer is not None and isinstance(footer.lineage, VariantsLineage)
        values = read_part(folder, table_path("measures", part, measure=measure))["value"]
        lineage = replace(footer.lineage, full_reference=(measure,))
        write_part(folder, name, read_part(folder, name).append_column(measure, values), lineage)
    shutil.rmtree(out / "measures")
    content = json.loads((out / "run.json").read_text()) | {KEY: BLANK, "full_reference": [measure], "schema_version": 2}
    content["commands"] = [one for one in content["commands"] if one["command"] != "measure"]
    for command in content["commands"]:
        command["config"]["full_reference"] = [measure]
    (out / "run.json").write_bytes(seal(json.dumps(content, indent=1).encode()))


def test_columns_of_layout_2_become_measures(miqd, run_file: Path, out: Path) -> None:
    assert miqd("measure", "--out", out, "--measures", "ssim").code == 0
    before, values = contents(out), open_run(out).measures(["ssim"])
    assert values["ssim"].null_count == 0 and values.num_rows > 10
    to_layout_2(out, "ssim")
    assert contents(out) != before
    assert open_run(out).image("scene_0", "darkness_5").shape == (48, 64, 3)
    result = miqd("degrade", "--run", run_file)
    assert result.code == 0 and "0 to render" in result.out
    assert open_run(out).measures(["ssim"]).equals(values) and contents(out) == before
    assert problems(out) == {} and "full_reference" not in json.loads((out / "run.json").read_text())
    again = miqd("measure", "--out", out, "--measures", "ssim")
    assert again.code == 0 and f"ssim: {values.num_rows} images to measure" in again.out, "its code may be another one"
    assert open_run(out).measures(["ssim"]).equals(values)


def test_the_field_of_earlier_run_files_says_what_to_do_now(miqd, run_file: Path) -> None:
    result = miqd("degrade", "--run", run_file, "--set", "full_reference=[ssim]")
    assert result.code == 1 and "miqd measure --measures ssim" in result.err and result.err.count("\n") == 1


def test_commands_of_layout_1(tmp_path: Path) -> None:
    fields = {"seed": 3, "images": "none", "roi": "saliency", "degradations": ["fog_1"], "parts": [["a"]]}
    stages = {"degrade": {"seed": 3}, "label det": {"out": "x"}, "import ins": {"format": "miqd"}}
    content = {**fields, "stages": stages, "hashes": {"label det": {"run_file": "5a"}}, "schema_version": 1}
    (tmp_path / "run.json").write_text(json.dumps(content))
    record = RunRecord.load(RunFolder(str(tmp_path)))
    assert record is not None
    assert record.commands == [
        CommandRecord("degrade", None, {"seed": 3}),
        CommandRecord("label", "det", {"out": "x"}, {"run_file": "5a"}),
        CommandRecord("import", "ins", {"format": "miqd"}),
    ]


def test_a_later_layout_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema_version": 4}))
    with pytest.raises(StoreError, match=r"has schema version 4, this code writes 3: .*the version that wrote it\.") as error:
        RunRecord.load(RunFolder(str(tmp_path)))
    assert "\n" not in str(error.value)
