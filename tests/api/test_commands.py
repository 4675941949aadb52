"""The functions do what the commands do, take the same fields, and say what is wrong in the words of Python."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import miqd_builder as mb
from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError
from pipelines.api.fields import RunFields
from tests.conftest import DataSet, Outcome, part_bytes

Miqd = Callable[..., Outcome]
TABLES = ("candidates", "variants", "responses", "scores", "labels")


def test_label_writes_the_bytes_of_the_command(miqd: Miqd, run_file: Path, tmp_path: Path) -> None:
    made = mb.label(task=["det", "ins"], run=run_file, out=tmp_path / "api")
    assert miqd("label", "--task", "det", "--task", "ins", "--run", run_file, "--out", tmp_path / "cli").code == 0
    for table in TABLES:
        parts = part_bytes(tmp_path / "api", table)
        assert parts and parts == part_bytes(tmp_path / "cli", table)
    assert made.outs == [str(tmp_path / "api")] and made.failures == 0
    assert [(stage.title, stage.parts) for stage in made.stages] == [
        ("degrade", 2),
        ("respond", 6),
        ("score det", 4),
        ("label det", 2),
        ("score ins", 2),
        ("label ins", 2),
    ]
    assert mb.label(task="all", run=run_file, models=["blob*"], out=tmp_path / "api").computed == 0


def test_fields_describe_a_run_without_a_file(
    data: DataSet, zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = {"kind": "coco", "images": "data/images", "annotations": Path("data/annotations.json")}
    fields: dict[str, Any] = {"source": source, "roi": {"kind": "annotations"}, "degradations": "darkness_[12]"}
    made = mb.label(task="det", zoo=("zoo.yaml",), models="blobs", scheduler="inline", seed=3, limit=2, out="out", **fields)
    config = made.plans[0].context.config
    assert config.zoo == (zoo,) and config.models == ("blobs",) and config.source.annotations == data.annotations
    assert source["images"] == "data/images", "the caller's own mapping is left as it is"
    assert mb.open_run("out").labels("det").num_rows == 4


def test_python_is_silent_unless_asked(run_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mb.degrade(run=run_file)
    mb.verify(tmp_path / "out", recompute=0.1)
    assert capfd.readouterr() == ("", "")
    mb.degrade(run=run_file, out=tmp_path / "other", show_progress=True)
    shown = capfd.readouterr()
    assert shown.out == "" and "degrade: " in shown.err


def test_a_dry_run_writes_nothing(run_file: Path, tmp_path: Path) -> None:
    plans: list[Any] = []
    made = mb.label(task="det", run=run_file, dry_run=True, on_plan=plans.append)
    assert made.stages == () and list(made.plans) == plans and plans[0].models == ["blobs", "blobs_strict"]
    assert not (tmp_path / "out").exists()


def test_run_fields_are_those_of_the_run_file() -> None:
    assert set(RunFields.__annotations__) == set(RunConfig.model_fields)
    for function in (mb.degrade, mb.label):
        parameters = inspect.signature(function).parameters
        assert set(RunFields.__annotations__) <= set(parameters)
        assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mb.label(task="det", model="x"), r"label\(\) .* 'model'\. Did you mean 'models'"),  # type: ignore[call-arg]
        (lambda: mb.degrade(degradation="x"), r"degrade\(\) .* 'degradation'\. Did you mean 'degradations'"),  # type: ignore[call-arg]
        (lambda: mb.degrade(models_per_passs=1), "Did you mean 'models_per_pass'"),  # type: ignore[call-arg]
        (lambda: mb.audit("x", tasks="det"), r"audit\(\) .* 'tasks'\. Did you mean 'task'"),  # type: ignore[call-arg]
        (lambda: mb.export("x", too="y"), r"export\(\) .* 'too'\. Did you mean 'to'"),  # type: ignore[call-arg]
        (lambda: mb.verify("x", recomputed=1), "Did you mean 'recompute'"),  # type: ignore[call-arg]
        (lambda: mb.status("x", runs="y"), "Did you mean 'run'"),  # type: ignore[call-arg]
        (lambda: mb.compare("x", "y", tsk="det"), "Did you mean 'task'"),  # type: ignore[call-arg]
        (lambda: mb.import_labels("x", outt="y"), "Did you mean 'out'"),  # type: ignore[call-arg]
        (lambda: mb.label_statistics("x", resample=1), "Did you mean 'resamples'"),  # type: ignore[call-arg]
        (lambda: mb.label(run="x"), "'task'"),  # type: ignore[call-arg]
        (lambda: mb.degrade("run.yaml"), "positional"),  # type: ignore[misc]
    ],
)
def test_a_wrong_argument_names_the_nearest(call: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mb.degrade(), "Nothing to run: give a run file with run=, or the fields, such as source={"),
        (lambda: mb.degrade(out="x"), r"The arguments: the field 'source' is missing. Add it, or give it with source=..."),
        (
            lambda: mb.degrade(out="x", source={"kind": "folder"}),
            "the field 'source.images' is missing. Add it, or give it with source={'images': ...}",
        ),
        (
            lambda: mb.degrade(out="x", source={"kind": "folder", "images": ".", "imags": "y"}),
            "unknown field 'source.imags'. Did you mean 'images'",
        ),
        (lambda: mb.degrade(out="x", source={"kind": "foldr", "images": "y"}), "Did you mean 'folder'"),
        (lambda: mb.label(task="dett", run="x.yaml"), "Unknown task 'dett'.*Did you mean 'det'"),
        (lambda: mb.label(task=[], run="x.yaml"), "Which task. Give task cls|det"),
        (lambda: mb.audit("nowhere"), "'nowhere' holds no run"),
        (lambda: mb.verify("nowhere", recompute=2), "recompute 2: expected a share"),
    ],
)
def test_errors_speak_of_arguments(
    call: Callable[[], object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message) as caught:
        call()
    assert "--" not in str(caught.value).replace("correct --out", "")


def test_status_audit_and_verify_return_what_the_commands_show(labelled: Path, miqd: Miqd) -> None:
    out = labelled / "out"
    status = mb.status(out)
    assert {(table.name, table.done, table.missing) for table in status.tables} >= {
        ("labels/task=det", 2, 0),
        ("variants", 2, 0),
    }
    assert status.failures == () and status.images == 4 and status.degradations == 4
    audited = mb.audit(out)
    assert list(audited.tasks) == ["det", "ins"] and Path(audited.report).is_file()
    row = audited.tasks["det"].severities[0]
    assert (row["distortion"], row["severity"], row["n"]) == ("darkness", 1, 4)
    assert f"{row['consistency']:.2f}" in miqd("audit", "--out", out, "--task", "det").out
    verified = mb.verify(out)
    assert verified.problems == () and f"Checked {verified.read} files, 0 with problems." in miqd("verify", "--out", out).out


def test_verify_names_the_damaged_file(labelled: Path, run_file: Path, tmp_path: Path) -> None:
    mb.degrade(run=run_file)
    part = tmp_path / "out/variants/part-00001.parquet"
    content = bytearray(part.read_bytes())
    content[100] ^= 1
    part.write_bytes(content)
    seen: list[str] = []
    verified = mb.verify(tmp_path / "out", on_file=lambda file: seen.append(file.name))
    assert [file.name for file in verified.problems] == ["variants/part-00001.parquet"] and len(seen) == verified.read
