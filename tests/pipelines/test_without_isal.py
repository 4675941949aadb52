"""A machine without ISA-L, or another CPU, writes other PNG bytes: same pixels, same labels, nothing computed again."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqd_builder.sources import png
from tests.conftest import part_bytes


def test_same_labels_and_one_line(miqd, run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("label", "--task", "cls", "--run", run_file)
    with_isal, without = tmp_path / "with", tmp_path / "without"
    shown = miqd(*command, "--out", with_isal)
    assert shown.code == 0 and "OpenCV" not in shown.out
    monkeypatch.setattr("pipelines.context.ISAL", None)
    monkeypatch.setattr(png, "ISAL", None)
    shown = miqd(*command, "--out", without)
    assert shown.code == 0 and shown.out.count("since the package 'isal' can't be imported: pip install isal") == 1
    for table in ("variants", "labels"):
        assert part_bytes(with_isal, table) == part_bytes(without, table)
    files = {file.relative_to(with_isal): file for file in with_isal.glob("images/*/*.png")}
    assert files and any(file.read_bytes() != (without / name).read_bytes() for name, file in files.items())
    for name, file in files.items():  # as if the first machine had been this one
        file.write_bytes((without / name).read_bytes())
    again = miqd("label", "--task", "cls", "--run", run_file, "--out", with_isal)
    assert "0 inferences to run" in again.out and "120 in all, 0 to render" in again.out, again.out
    monkeypatch.undo()
    assert miqd("verify", "--out", with_isal).code == 0
