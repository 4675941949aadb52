"""The command line: what it shows, and that the document's commands are its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from pipelines.cli.show_publish import size_text
from tests.conftest import ROOT, Outcome
from tests.formats.publication.conftest import Small

Miqd = Callable[..., Outcome]


def test_dry_run_publication_and_a_later_change(miqd: Miqd, small: Small, tmp_path: Path) -> None:
    run, to = small.copy(tmp_path / "run"), tmp_path / "to"
    command = ("publish", "--out", run.out, "--to", to, "--licence", "cc-by-4.0", "--images", "none")
    planned = miqd(*command, "--dry-run")
    assert planned.code == 0 and not to.exists()
    rows = {line.split()[0]: line.split() for line in planned.out.splitlines() if line.startswith(("labels", "scores"))}
    assert rows["labels-det"][1:3] == ["240", "3"] and rows["scores-det"][1:3] == ["496", "6"]
    assert miqd(*command).code == 0
    again = miqd(*command)
    assert "0 files of 0 B changed, 0 removed" in again.out
    run.label("det", models=["blobs_a"])
    changed = miqd(*command)
    assert "files of the published version 1.0.0 changed. Give --version and --changelog" in changed.out


def test_the_commands_of_the_document_exist(miqd: Miqd) -> None:
    text = (ROOT / "docs/publishing.md").read_text()
    known = miqd("publish", "--help").out + miqd("degrade", "--help").out + miqd("import", "--help").out
    used = set(re.findall(r"(?<=[ `])--[a-z][a-z-]+", text)) - {"--type"}
    assert len(used) > 15 and [option for option in sorted(used) if option not in known] == []


def test_sizes_are_read_at_a_glance() -> None:
    assert [size_text(size) for size in (0, 1_500, 2_000_000, 3_400_000_000)] == ["0 B", "1.5 kB", "2.0 MB", "3.4 GB"]
