"""Models whose code, config or checkpoint is edited while the process lives."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from miqd_builder import user_code
from miqd_builder.errors import ConfigError, StaleCodeError
from miqd_builder.zoo import build as building
from miqd_builder.zoo.build import build
from miqd_builder.zoo.content_hash import check_entry, entry_hash
from miqd_builder.zoo.entry import ModelEntry
from tests.zoo.small_models import RTMDET

SOURCE = """
import numpy as np
from miqd_builder.responses import Classification

class Constant:
    num_classes = 2

    def predict(self, images):
        return [Classification(np.array([0.5, 0.5], np.float32)) for _ in images]

def make(entry, options):
    return Constant()
"""
EDITED = SOURCE.replace("0.5, 0.5", "0.1, 0.9")

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes an importable file; all have the same time, as if edited within a second."""
    monkeypatch.syspath_prepend(tmp_path)

    def file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        os.utime(path, (1e9, 1e9))
        return path

    yield file
    for name in [name for name in sys.modules if name.startswith("em_")]:
        del sys.modules[name]


def target(name: str, **fields: object) -> ModelEntry:
    return ModelEntry.model_validate({"name": "m", "task": "cls", "backend": "python", "target": name, **fields})


def prediction(entry: ModelEntry, **options: str) -> float:
    return float(build(entry, **options).predict([np.zeros((2, 2, 3), np.uint8)])[0].probabilities[0])


def test_an_edited_target_runs_under_its_own_hash(write: Write) -> None:
    write("em_model.py", SOURCE)
    entry = target("em_model:make")
    importlib.import_module("em_model")  # by somebody else, with bytecode
    old = entry_hash(entry)
    assert prediction(entry, expected=old) == pytest.approx(0.5)
    write("em_model.py", EDITED)
    new = entry_hash(entry)
    assert new != old
    assert prediction(entry, expected=new) == pytest.approx(0.1)
    with pytest.raises(StaleCodeError, match=r"^Model 'm': its config, checkpoint or module here is not what") as caught:
        prediction(entry, expected=old)
    assert "\n" not in str(caught.value)


def test_an_edit_while_a_model_is_built_is_noticed(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("em_race.py", SOURCE)
    entry = target("em_race:make")
    planned, check = entry_hash(entry), check_entry

    def edited_after(*arguments: str) -> None:
        check(*arguments)
        write("em_race.py", EDITED)

    monkeypatch.setattr(building, "check_entry", edited_after)
    with pytest.raises(StaleCodeError):
        build(entry, expected=planned)


def test_a_planned_target_survives_an_edit(write: Write) -> None:
    write("em_plan.py", SOURCE)
    with user_code.planned({"em_plan": str(user_code.source_sha256("em_plan"))}):
        write("em_plan.py", EDITED)
        assert prediction(target("em_plan:make")) == pytest.approx(0.5)


def test_a_function_that_the_new_file_lacks(write: Write) -> None:
    write("em_gone.py", SOURCE)
    prediction(target("em_gone:make"))
    write("em_gone.py", SOURCE.replace("def make", "def made"))
    with pytest.raises(ConfigError, match=r"'em_gone' has no function 'make'\. Did you mean 'made'"):
        build(target("em_gone:make"))


def test_a_package_target_follows_its_submodules(write: Write) -> None:
    write("em_package/__init__.py", "from em_package.inner import make")
    write("em_package/inner.py", SOURCE)
    entry = target("em_package:make")
    old = entry_hash(entry)
    assert prediction(entry) == pytest.approx(0.5)
    write("em_package/inner.py", EDITED)
    assert prediction(entry) == pytest.approx(0.1)
    assert entry_hash(entry) != old


def test_another_checkpoint_is_noticed(write: Write, tmp_path: Path) -> None:
    write("em_weights.py", SOURCE)
    (tmp_path / "w.bin").write_bytes(b"one")
    entry = target("em_weights:make", checkpoint={"path": tmp_path / "w.bin"})
    planned = entry_hash(entry)
    check_entry(entry, planned)
    (tmp_path / "w.bin").write_bytes(b"two")
    with pytest.raises(StaleCodeError):
        check_entry(entry, planned)
    (tmp_path / "w.bin").unlink()
    with pytest.raises(ConfigError, match="not found"):
        check_entry(entry, planned)


REGISTERS = """
from mmdet.registry import MODELS
from mmdet.models import RTMDet

@MODELS.register_module()
class {name}(RTMDet):
    factor = {factor}
"""


@pytest.mark.skipif(importlib.util.find_spec("mmdet") is None, reason="needs mmdet")
def test_a_config_and_the_modules_that_it_imports(write: Write, tmp_path: Path) -> None:
    """What a module registers with OpenMMLab stays there, so an edited one asks for a restart."""
    write("em_custom.py", REGISTERS.format(name="EmDetector", factor=1))
    config = (
        "_base_ = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'\n"
        "custom_imports = dict(imports=['em_custom', 'mmpretrain.models'])\nmodel = dict(type='EmDetector')\n"
    )
    write("em_config.py", config)
    fields = {"name": "m", "task": "det", "backend": "mmdet", "config": "em_config.py", "cfg_options": RTMDET}
    entry = ModelEntry.model_validate(fields).relative_to(tmp_path)
    planned = entry_hash(entry)
    assert type(build(entry, random_weights=True, expected=planned).model).__name__ == "EmDetector"
    write("em_config.py", config.replace("type=", "test_cfg=dict(nms_pre=7), type="))
    with pytest.raises(StaleCodeError, match=r"^Model 'm'"):
        check_entry(entry, planned)
    write("em_config.py", config)
    check_entry(entry, planned)
    write("em_custom.py", REGISTERS.format(name="EmDetector", factor=2))
    with pytest.raises(StaleCodeError, match=r"'em_custom' has changed since .* restart the process"):
        entry_hash(entry)
