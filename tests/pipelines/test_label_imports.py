"""What ``miqd label`` of a detector leaves out of its imports, and that its labels don't show it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from miqd_builder.zoo.adapters.deferred_imports import DEFERRED
from tests.conftest import ROOT

LABEL = """
import sys
from pipelines.cli.main import main
sys.argv = ["miqd", "label", "--task", "det", "--run", {run!r}]
try:
    main()
finally:
    print(*sys.modules)
"""
AT_ONCE = """
from contextlib import nullcontext
import miqd_builder.zoo.adapters.mm_config as mm_config
mm_config.deferred = nullcontext
"""


def label(folder: Path, before: str) -> tuple[dict[str, bytes], set[str]]:
    """Label one image of the demo with its RTMDet in a process of its own.

    Returns:
        The tables' files, and the names of all modules imported at the end.
    """
    folder.mkdir()
    demo = ROOT / "pipelines" / "demo"
    fields = {
        "out": str(folder / "out"),
        "source": {"kind": "coco", "images": str(demo / "images"), "annotations": str(demo / "annotations.json")},
        "roi": {"kind": "masks", "path": str(demo / "masks")},
        "zoo": [str(ROOT / "model_zoo_configs" / "demo.yaml")],
        "models": ["demo_rtmdet"],
        "degradations": ["contrast_1", "contrast_3"],
        "scheduler": "inline",
        "limit": 1,
    }
    run = folder / "run.yaml"
    run.write_text(yaml.safe_dump(fields))
    done = subprocess.run([sys.executable, "-c", before + LABEL.format(run=str(run))], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tables = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.parquet")}
    return tables, set(done.stdout.splitlines()[-1].split())


def test_labels_are_the_same_without_the_modules_that_wait(tmp_path: Path) -> None:
    tables, imported = label(tmp_path / "waiting", "")
    same, everything = label(tmp_path / "at_once", AT_ONCE)
    waiting = set(DEFERRED) - {"scipy.linalg"}  # numba imports it when boxes are compared
    assert waiting <= everything  # otherwise they needn't wait
    assert not waiting & imported
    assert any("labels" in name for name in tables)
    assert tables == same
