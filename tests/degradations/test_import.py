"""The package is light: nothing heavy is imported with it, and it depends on no other part of the project."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.degradations.pictures import ROOT

HEAVY = {"torch", "dask", "distributed", "numba", "skimage", "scipy", "PIL", "imagecorruptions", "pandas", "pyarrow"}
OURS = {"miqd_builder", "pipelines"}


def modules_after(code: str) -> set[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    script = f"{code}\nimport sys\nprint(' '.join(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_importing_is_light():
    modules = modules_after("import degradations; degradations.names(); degradations.parse('fog_3')")
    assert {"degradations", "numpy", "cv2"} <= modules
    assert modules & (HEAVY | OURS) == set()


def test_rendering_the_250_needs_pillow_only():
    code = """
import numpy as np, degradations
assert len(list(degradations.render(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.uint8), source_id="a"))) == 250
"""
    assert modules_after(code) & (HEAVY | OURS) == {"PIL"}
