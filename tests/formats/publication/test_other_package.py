"""A format of another package publishes by the same command: it plans its files and writes one at a time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import miqd_builder as mb
from miqd_builder import registry
from tests.conftest import Outcome
from tests.formats.publication.conftest import Small, contents

MODULE = """
import json
from miqd_builder.formats.contract import Format, Publisher
from miqd_builder.formats.publication.run_parts import RunParts
from miqd_builder.formats.publication.sharding import numbered


def shards(publication):
    found = []
    for index, run in enumerate(publication.runs):
        for own in run.tasks:
            found += RunParts(index, run).table(f"labels-{own.task}", own.task, "labels", task=own.task)
    return numbered(found, lambda split, number, count: f"{split}-{number}.jsonl")


def write(shard, content, stream, report):
    rows = 0
    stream.write(json.dumps({"inputs": shard.inputs}).encode())
    for table in content.rows("labels", shard.sources, task=shard.task):
        for row in table.select(["source_id", "degradation", "composite"]).to_pylist():
            stream.write(b"\\n" + json.dumps(row).encode())
        rows += table.num_rows
        report(table.num_rows)
    return rows


def lines(target, path):
    return target.read(path).decode().splitlines()


def stored_inputs(target, path):
    return json.loads(lines(target, path)[0])["inputs"] if target.exists(path) else None


def stored_rows(target, path):
    return len(lines(target, path)) - 1


def whole_files(publication, shards, written):
    return {"files.txt": "\\n".join(sorted(written)).encode()}


FORMAT = Format("lines", ("det", "ins"), publisher=Publisher(shards, write, stored_inputs, stored_rows, whole_files))
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package, installed."""
    info = tmp_path / "site/lines-1.0.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "site/published_lines.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lines\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[miqd.formats]\nlines = published_lines:FORMAT\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(registry, "_announced", registry._announced.__wrapped__)  # without its cache
    yield
    sys.modules.pop("published_lines", None)


@pytest.mark.usefixtures("installed")
def test_it_is_planned_written_resumed_and_described(miqd: Callable[..., Outcome], small: Small, tmp_path: Path) -> None:
    to = tmp_path / "to"
    command = ("publish", "--out", small.out, "--to", to, "--licence", "mit", "--format", "lines")
    assert miqd(*command).code == 0
    files = contents(to)
    assert {name for name in files if name.endswith(".jsonl")} == set(files["files.txt"].decode().splitlines())
    found = {}
    for file in to.glob("det/*.jsonl"):
        for line in file.read_text().splitlines()[1:]:
            row = json.loads(line)
            found[row["source_id"], row["degradation"]] = row["composite"]
    labels = mb.open_run(small.out).labels("det").to_pylist()
    assert found == {(row["source_id"], row["degradation"]): row["composite"] for row in labels}
    (to / "det/test-0.jsonl").unlink()
    again = miqd(*command)
    assert "1 files of" in again.out and contents(to) == files
    refused = miqd("export", "--out", small.out, "--to", tmp_path / "x", "--format", "lines")
    assert refused.code == 1 and "Format lines is written by 'miqd publish'" in refused.err
