"""The settings of the script's three trainings are fields of a training."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from machine_iqa.networks.miqa_small import MiqaSmall
from machine_iqa.training.config import load_config
from pipelines.quality.__main__ import HEADS, LICENCE, TRAINING, TUNING, WEIGHTS, asked_for
from pipelines.quality.heads import MEMBERS


def test_the_first_training_keeps_what_is_pretrained_and_the_second_starts_from_it(tmp_path: Path) -> None:
    fields = {"runs": [str(tmp_path)], "out": str(tmp_path)}
    first = load_config("miqa_small", settings=TRAINING, fields=fields)
    second = load_config("miqa_small", settings=[*TUNING, f"weights={tmp_path / 'best.safetensors'}"], fields=fields)
    assert (first.name, first.frozen) == ("miqa_small_frozen", ("pretrained",))
    assert (second.name, second.frozen) == ("miqa_small_tuned", ()) and second.backbone_learning_rate < 1
    assert first.licence == second.licence == LICENCE and first.version == second.version
    assert set(MiqaSmall(first.outputs, area=64 * 96, large_area=96 * 128).pretrained) == set(WEIGHTS)


def test_the_third_has_the_outputs_of_the_others_and_heads_of_equal_members(tmp_path: Path) -> None:
    fields = {"runs": [str(tmp_path)], "out": str(tmp_path)}
    first, third = load_config("miqa_small", settings=TRAINING, fields=fields), load_config(settings=HEADS, fields=fields)
    assert (third.name, third.outputs, third.network) == ("miqa_small", first.outputs, first.network)
    assert (third.licence, third.version) == (first.licence, first.version)
    assert third.network_options["hidden"] % MEMBERS == 0


def test_a_setting_that_no_step_would_use_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["quality", "work", "--photographs", "photographs", "--set", "epochs=3", "--steps"]
    monkeypatch.setattr(sys, "argv", [*line, "heads", "compare"])
    with pytest.raises(SystemExit):
        asked_for()
    assert "--set is of the steps train and tune" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", [*line, "tune", "heads"])
    assert asked_for().settings == ["epochs=3"]
