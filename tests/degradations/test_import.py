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


LIGHT = """
import importlib.abc, importlib.metadata, sys

class OnlyThese(importlib.abc.MetaPathFinder):
    installed = set(importlib.metadata.packages_distributions()) - {"numpy", "cv2", "PIL", "degradations"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.installed:
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, OnlyThese())
"""
"""An environment that has NumPy, OpenCV and Pillow, and nothing else that was installed."""


def test_the_light_install_is_enough():
    code = """
import numpy as np, degradations
image = np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3)
names = degradations.select(["*"])
assert len(list(degradations.render(image, image[..., 0] % 2 * 255, source_id="a", names=names))) == len(names) == 250
try:
    list(degradations.render(image, source_id="a", names=["imagenet_c_fog_1"]))
except ValueError as error:
    assert "pip install imagecorruptions-imaug" in str(error)
else:
    raise AssertionError("imagecorruptions was imported")
try:
    import scipy
except ModuleNotFoundError:
    pass
else:
    raise AssertionError("the environment is not light")
"""
    assert modules_after(LIGHT + code) & (HEAVY | OURS) == {"PIL"}
