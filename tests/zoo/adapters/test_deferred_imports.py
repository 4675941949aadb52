"""Modules that are imported when they are used: as if they had been imported at once, but for the time."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from miqd_builder.zoo.adapters.deferred_imports import DEFERRED, deferred
from tests.conftest import ROOT

DRAWING = "easel"
MODULES = {DRAWING: (), f"{DRAWING}.oil": ("paint",)}


@pytest.fixture
def easel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package ``easel`` with the modules ``oil`` and ``chalk``."""
    package = tmp_path / DRAWING
    package.mkdir()
    (package / "__init__.py").write_text("WOOD = 'beech'\n")
    (package / "oil.py").write_text("COLOURS = ['red', 'blue']\ndef paint(colour, *, coats=1): return [colour] * coats\n")
    (package / "chalk.py").write_text("import easel\nCOLOUR = f'white on {easel.WOOD}'\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    forget()


def forget() -> None:
    """As if the package had never been imported."""
    for name in [name for name in sys.modules if name.split(".")[0] == DRAWING]:
        del sys.modules[name]


def loaded() -> set[str]:
    """Modules of the package that are really there."""
    return {name for name, module in sys.modules.items() if name.split(".")[0] == DRAWING and hasattr(module, "__file__")}


@pytest.mark.usefixtures("easel")
def test_a_module_is_imported_when_it_is_used() -> None:
    with deferred(MODULES):
        import easel
        import easel.oil as oil
    assert not loaded()
    assert easel.WOOD == "beech"
    assert loaded() == {"easel"}
    assert oil.COLOURS == ["red", "blue"]
    assert loaded() == {"easel", "easel.oil"}
    assert oil.COLOURS is importlib.import_module("easel.oil").COLOURS


@pytest.mark.usefixtures("easel")
def test_a_callable_imported_by_name_is_the_real_one_when_called() -> None:
    with deferred(MODULES):
        from easel.oil import paint
    assert not loaded()
    assert (paint.__module__, paint.__name__) == ("easel.oil", "paint")
    assert paint("red", coats=2) == ["red", "red"]
    assert "easel.oil" in loaded()


@pytest.mark.usefixtures("easel")
def test_what_is_not_listed_is_the_real_thing_at_once() -> None:
    with deferred(MODULES):
        from easel.oil import COLOURS

        assert COLOURS == ["red", "blue"]
        with pytest.raises(ImportError, match="VARNISH"):
            from easel.oil import VARNISH  # noqa: F401


@pytest.mark.usefixtures("easel")
def test_a_module_inside_a_deferred_package_finds_it_whole() -> None:
    with deferred(MODULES):
        import easel.chalk

        assert easel.chalk.COLOUR == "white on beech"
    assert importlib.import_module("easel").chalk is sys.modules["easel.chalk"]


@pytest.mark.usefixtures("easel")
def test_looking_through_all_modules_imports_nothing() -> None:
    with deferred(MODULES):
        import easel.oil as oil

        inspect.getmodule(len)
        assert importlib.util.find_spec("easel.oil") is not None
        assert not loaded()
    assert Path(str(oil.__file__)).name == "oil.py"


def test_what_is_there_or_is_missing_stays_so() -> None:
    import json

    with deferred({"json": ("loads",), "surely_not_installed": ("x",), "surely_not_installed.part": ()}):
        assert importlib.import_module("json") is json
        for name in ("surely_not_installed", "surely_not_installed.part"):
            with pytest.raises(ModuleNotFoundError, match="surely_not_installed"):
                importlib.import_module(name)


@pytest.mark.usefixtures("easel")
def test_the_table_of_modules_is_as_before_after_an_error() -> None:
    with pytest.raises(RuntimeError, match="broken"), deferred(MODULES):
        raise RuntimeError("broken")
    assert not {"easel", "easel.oil"} & set(sys.modules)
    assert importlib.import_module("easel").WOOD == "beech"


@pytest.mark.usefixtures("easel")
def test_threads_may_import_and_use_meanwhile() -> None:
    """Two threads defer the modules and two don't know of that; each time the modules are new to all."""
    failures: list[str] = []

    def use(start: threading.Barrier, defers: bool) -> None:
        try:
            start.wait()
            with deferred(MODULES) if defers else nullcontext():
                import easel.oil as oil
                from easel.oil import COLOURS, paint
            import easel.chalk

            assert (COLOURS[0], paint("blue"), oil.COLOURS) == ("red", ["blue"], COLOURS)
            assert (easel.WOOD, easel.chalk.COLOUR) == ("beech", "white on beech")
        except BaseException:
            failures.append(traceback.format_exc())

    for _ in range(100):
        start = threading.Barrier(4)
        threads = [threading.Thread(target=use, args=(start, number < 2)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        assert not failures, failures[0]
        assert loaded() == {"easel", "easel.oil", "easel.chalk"}
        forget()


BUILD = """
import sys
from miqd_builder.zoo.adapters.mm_config import import_package
import_package("mmdet")
print(*sys.modules)
import numpy as np, scipy.linalg, scipy.optimize, torch
from mmdet.models.dense_heads.clr_head.lane import Lane
from mmdet.models.task_modules.assigners import hungarian_assigner
from mmdet.models.task_modules.tracking.kalman_filter import KalmanFilter
from torch.distributed.optim import as_functional_optim
cost = np.array([[4.0, 1, 3], [2, 0, 5], [3, 2, 2]])
found = hungarian_assigner.linear_sum_assignment(cost)
for ours, theirs in zip(found, scipy.optimize.linear_sum_assignment(cost), strict=True):
    np.testing.assert_array_equal(ours, theirs)
lane = Lane(np.stack([np.linspace(0.1, 0.5, 9), np.linspace(0.1, 0.9, 9)], axis=1))
np.testing.assert_allclose(lane(np.array([0.5])), [0.3])
mean, covariance = KalmanFilter().initiate(np.array([1.0, 2, 3, 4]))
assert KalmanFilter().update(mean, covariance, np.array([1.0, 2, 3, 4]))[0].shape == (8,)
parameter = torch.ones(1)
optimizer = as_functional_optim(torch.optim.SGD, 0.5)
optimizer.step_param(parameter, torch.ones(1))
assert parameter.item() == 0.5
import matplotlib.pyplot
assert matplotlib.pyplot.figure.__module__ == "matplotlib.pyplot"
from mmdet.models.dense_heads.clr_head import clr_head
assert clr_head.plt.figure is matplotlib.pyplot.figure
from mmdet.utils import imshow_mot_errors
image = imshow_mot_errors(np.zeros((9, 9, 3), np.uint8), np.zeros((0, 5)), np.zeros(0), np.zeros(0), show=False)
assert image.shape == (9, 9, 3)
"""


def test_mmdet_is_imported_without_them_and_uses_them() -> None:
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.splitlines()[0].split())
    assert "mmdet.models" in imported
    assert not set(DEFERRED) & imported
