"""A task with several models that is given up is tried with each of them alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from miqd_builder.store.quarantine import read_failures
from pipelines import run as stages
from pipelines.schedulers import Report
from pipelines.stages.items import RespondPart
from tests.conftest import DataSet, toy_entry, write_run, write_zoo

tried: list[list[str]] = []


def fragile(item: RespondPart, report: Report) -> Any:
    """Breaks where ``bad`` is among the models, otherwise does the work."""
    models = [key.model or "" for key in item.keys]
    tried.append(models)
    if "bad" in models:
        raise RuntimeError("broken beyond what a stage catches")
    from pipelines.stages.respond import respond_part

    return respond_part(item, report)


def test_only_the_model_to_blame_is_lost(miqd, data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried.clear()
    entries = [toy_entry(name, "cls", "brightness", gain=gain) for name, gain in (("a", 1.0), ("bad", 1.1), ("c", 1.2))]
    run = write_run(tmp_path, data, write_zoo(tmp_path / "zoo.yaml", entries), degradations=["darkness_2"], limit=2)
    monkeypatch.setattr(stages, "respond_part", fragile)
    assert miqd("label", "--task", "cls", "--run", run).code == 2
    assert tried == [["a", "bad", "c"]] * 3 + [["a"], ["bad"], ["c"], ["bad"], ["bad"]]
    from miqd_builder.store.folder import RunFolder

    folder = RunFolder(str(tmp_path / "out-cls"))
    assert [(f.stage, f.model, f.error) for f in read_failures(folder)] == [("respond", "bad", "RuntimeError")]
    assert {name.split("/")[2] for name in folder.list("responses/*/*/*.parquet")} == {"model=a", "model=c"}
    monkeypatch.undo()
    assert miqd("label", "--task", "cls", "--run", run).code == 0
    assert read_failures(folder) == []
