"""Run folders on several file systems, and what is said when one can't be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.store.folder import RunFolder
from tests.conftest import ROOT


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    return RunFolder(str(tmp_path / "run") if request.param == "local" else f"memory://{tmp_path.name}/run")


def test_write_read_list_remove(folder: RunFolder) -> None:
    folder.write("a/b.bin", b"0123456789")
    folder.write("a/c.bin", b"x")
    folder.write("a/b.bin", b"01234")
    assert folder.read("a/b.bin") == b"01234"
    assert folder.read("a/b.bin", last=2) == b"34"
    assert folder.read("a/b.bin", last=100) == b"01234"
    assert folder.list("a/*.bin") == ["a/b.bin", "a/c.bin"]
    folder.remove("a/b.bin")
    folder.remove("a/b.bin")
    assert not folder.exists("a/b.bin")
    with pytest.raises(FileNotFoundError):
        folder.read("a/b.bin")


def test_create_only_where_there_is_nothing(folder: RunFolder) -> None:
    assert folder.create("lock", b"mine")
    assert not folder.create("lock", b"yours")
    assert folder.read("lock") == b"mine"


def test_leftovers_of_killed_writers_go(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path))
    folder.write("labels/task=det/part-00000.parquet", b"x")
    for name in ("run.json.1a.tmp", "labels/task=det/part-00001.parquet.2b.tmp"):
        (tmp_path / name).write_bytes(b"half")
    folder.remove_temporary()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["part-00000.parquet"]


def test_unknown_file_system() -> None:
    with pytest.raises(ConfigError, match=r"unknown file system 's33'. Did you mean 's3'"):
        RunFolder("s33://bucket/run")


def test_missing_package_names_the_extra() -> None:
    """In a process of its own, in which s3fs can't be imported."""
    code = "import sys; sys.modules['s3fs'] = None; sys.argv = ['miqd', 'status', '--out', 's3://bucket/run']\n"
    code += "from pipelines.cli.main import main; main()"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == (
        "Error: The run folder 's3://bucket/run' needs a package that is not installed: "
        "install it with pip install 'miqd-builder[s3]'.\n"
    )


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("not a folder")
    with pytest.raises(StoreError, match="Can't write"):
        RunFolder(str(tmp_path / "run")).write("run.json", b"{}")


def test_a_listing_that_answers_with_the_folder_itself_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder("memory://bucket/run")
    folder.write("variants/part-00000.parquet", b"x")
    try:
        assert list(folder.identities("variants")) == ["variants/part-00000.parquet"]
        root = folder.path("variants")
        monkeypatch.setattr(type(folder.fs), "find", lambda *_, **__: {root: {"name": root, "type": "file", "ETag": "1"}})
        monkeypatch.setattr(type(folder.fs), "glob", lambda *_, **__: [folder.root, f"{folder.root}/run.json"])
        assert folder.identities("variants") == {}
        assert folder.list("*") == ["run.json"]
    finally:
        monkeypatch.undo()
        folder.fs.rm("/bucket", recursive=True)
