"""Back ends that another package adds by entry point: their entries, their code, and what is wrong with them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from miqd_builder import registry
from miqd_builder.errors import ConfigError, StaleCodeError
from miqd_builder.zoo.backends import BACKENDS, backend_of
from miqd_builder.zoo.build import build, precision_of
from miqd_builder.zoo.catalog import load_zoo
from miqd_builder.zoo.content_hash import entry_hash
from miqd_builder.zoo.entry import ModelEntry

BACKEND = """
from miqd_builder.zoo.backends import Backend

BACKEND = Backend("reg_adapter", ("cls",), "config", ("arch_kwargs",), bfloat16=True)
MISSING = Backend("reg_adapter", ("cls",), "arch", package="reg_absent", install="pip install reg-absent")
WRONG = Backend("reg_adapter", ("cls",), "name")
OTHER = 5
"""
ADAPTER = """
import numpy as np
from miqd_builder.responses import Classification
from miqd_builder.zoo.adapters.base import Adapter

class Constant(Adapter):
    num_classes = 2

    def predict(self, images):
        return [Classification(np.array([0.25, 0.75], np.float32)) for _ in images]

def build(entry, options):
    return Constant() if entry.arch_kwargs.get("right", True) else 5
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What pip would lay down for a package with these entry points."""
    for name, text in (("reg_backend.py", BACKEND), ("reg_adapter.py", ADAPTER)):
        (tmp_path / name).write_text(text)
    info = tmp_path / "reg_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: reg-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[miqd.backends]\nconstant = reg_backend:BACKEND\nlacking = reg_backend:MISSING\nwrong = reg_backend:WRONG\n"
        "other = reg_backend:OTHER\nbroken = reg_nowhere:X\ntimm = reg_backend:BACKEND\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_announced", registry._announced.__wrapped__)  # without its cache
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("reg_")]:
        del sys.modules[name]


def entry(backend: str, **fields: Any) -> ModelEntry:
    return ModelEntry(name="m", task="cls", backend=backend, **fields)


def test_what_ships_is_listed_first_and_keeps_its_name(installed: Path) -> None:
    shipped = ["mmpretrain", "mmdet", "mmseg", "timm", "torchvision", "ultralytics", "onnx", "python"]
    assert BACKENDS.names() == [*shipped, "broken", "constant", "lacking", "other", "wrong"]
    assert all(map(BACKENDS.shipped, shipped)) and not BACKENDS.shipped("constant")
    assert backend_of("timm").package == "timm"
    assert BACKENDS.module("constant") == "reg_backend"


def test_a_back_end_of_another_package_builds_models(installed: Path) -> None:
    (installed / "model.toml").write_text("a = 1")
    (installed / "zoo.yaml").write_text("models: [{name: m, task: cls, backend: constant, config: model.toml}]")
    (mine,) = load_zoo([installed / "zoo.yaml"])
    assert mine.config_file == installed / "model.toml" and precision_of(mine, "bfloat16") == "bfloat16"
    prediction = build(mine, expected=entry_hash(mine)).predict([np.zeros((2, 2, 3), np.uint8)])[0]
    assert prediction.probabilities.tolist() == [0.25, 0.75]


def test_the_source_of_its_adapter_and_its_config_count(installed: Path) -> None:
    config, adapter = installed / "model.toml", installed / "reg_adapter.py"
    config.write_text("a = 1")
    mine = entry("constant", config=str(config))
    prints = [entry_hash(mine)]
    config.write_text("a = 2")
    prints.append(entry_hash(mine))
    build(mine, expected=prints[1])
    modified = adapter.stat().st_mtime_ns
    adapter.write_text(ADAPTER.replace("0.25, 0.75", "0.75, 0.25"))
    os.utime(adapter, ns=(modified, modified))
    prints.append(entry_hash(mine))
    assert len(set(prints)) == 3
    with pytest.raises(StaleCodeError, match=r"^Model 'm': its config, checkpoint or module here is not what .* with\."):
        build(mine, expected=prints[1])
    prediction = build(mine, expected=prints[2]).predict([np.zeros((2, 2, 3), np.uint8)])[0]
    assert prediction.probabilities.tolist() == [0.75, 0.25]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"backend": "constand", "config": "c"}, "Unknown back end 'constand': expected one of .*Did you mean 'constant'"),
        ({"backend": "constant", "arch": "a"}, "backend constant needs the field 'config'"),
        ({"backend": "constant", "config": "c", "arch": "a"}, "backend constant does not use the field 'arch'"),
        ({"backend": "constant", "config": "c", "task": "det"}, "backend constant does cls, not det"),
        ({"backend": "wrong"}, "'wrong' of miqd.backends must name a Backend whose required field"),
        ({"backend": "other"}, "'other' of miqd.backends must name a Backend .*got 5"),
        ({"backend": "broken"}, "Back end 'broken' .* can't be loaded: ModuleNotFoundError"),
    ],
)
def test_wrong_entries_and_back_ends(installed: Path, fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelEntry.model_validate({"name": "m", "task": "cls", **fields})


def test_a_missing_framework_comes_with_its_install_command(installed: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs reg_absent, which is not installed\. Run: pip install reg-absent"):
        build(entry("lacking", arch="a"))


def test_an_unknown_back_end_in_a_zoo_file_is_one_line(installed: Path) -> None:
    (installed / "zoo.yaml").write_text("models: [{name: m, task: cls, backend: tim, arch: a}]")
    with pytest.raises(ConfigError, match=r"model 'm': Unknown back end 'tim': .* Did you mean 'timm'\?$"):
        load_zoo([installed / "zoo.yaml"])


def test_what_is_no_adapter_is_refused(installed: Path) -> None:
    with pytest.raises(ConfigError, match=r"Back end 'constant' built int: expected a subclass of .*adapters\.base\.Adapter"):
        build(entry("constant", config="c", arch_kwargs={"right": False}))
