"""docs/tutorial.md: files are written and blocks run, in the order of the page, as a reader would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

from tests.conftest import ROOT

BLOCK = re.compile(r"^```(\w+)(?: title=\"([\w.]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_block_of_the_tutorial_works(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "pipelines/demo/images", tmp_path / "photos")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    blocks = BLOCK.findall((ROOT / "docs/tutorial.md").read_text(encoding="utf-8"))
    for language, file, text in blocks:
        if file:
            (tmp_path / file).write_text(text)
            continue
        shell = ["bash", "-ec", text.replace("PYTHONPATH=.", f"PYTHONPATH=.:{ROOT}")]
        command = {"sh": shell, "python": [sys.executable, "-c", text]}[language]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    assert len(blocks) == 10
    rows = duckdb.sql(
        f"select distortion, count(*) from '{tmp_path}/runs/mine/labels/task=cls/*.parquet' group by all order by all"
    )
    assert rows.fetchall() == [("darkness", 40), ("jpeg_compression", 40), ("vignette", 40)]
    assert (tmp_path / "runs/mine/report/index.html").is_file()
