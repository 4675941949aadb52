"""Heavy packages are imported where they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

HEAVY = {
    "torch",
    "torchvision",
    "timm",
    "mmdet",
    "mmcv",
    "dask",
    "distributed",
    "pyarrow",
    "duckdb",
    "jinja2",
    "numba",
    "ultralytics",
}


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import degradations", HEAVY | {"miqd_builder", "skimage", "scipy"}),
        ("import pipelines.cli.main", HEAVY | {"numpy", "cv2", "pydantic"}),
        ("import miqd_builder.zoo.catalog", HEAVY),
        ("import pipelines.stages.degrade", {"torch", "dask", "distributed", "numba"}),
        ("import pipelines.run, pipelines.stages.score", {"torch", "dask", "distributed", "numba", "mmdet"}),
    ],
)
def test_import_stays_light(code: str, unwanted: set[str]) -> None:
    script = f"import sys; {code}; print(*sorted(set(m.split('.')[0] for m in sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not unwanted & set(loaded)


def test_help_imports_nothing_heavy() -> None:
    script = """
import sys
from pipelines.cli.main import main
sys.argv = ["miqd", "--help"]
try:
    main()
finally:
    print(*sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "degrade" in out
    assert not (HEAVY | {"numpy"}) & set(out.splitlines()[-1].split())
