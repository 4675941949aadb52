"""The settings of the script's two trainings are fields of a training."""

from __future__ import annotations

from pathlib import Path

from machine_iqa.networks.miqa_small import MiqaSmall
from machine_iqa.training.config import load_config
from pipelines.quality.__main__ import LICENCE, TRAINING, TUNING, WEIGHTS


def test_the_first_training_keeps_what_is_pretrained_and_the_second_starts_from_it(tmp_path: Path) -> None:
    fields = {"runs": [str(tmp_path)], "out": str(tmp_path)}
    first = load_config("miqa_small", settings=TRAINING, fields=fields)
    second = load_config("miqa_small", settings=[*TUNING, f"weights={tmp_path / 'best.safetensors'}"], fields=fields)
    assert (first.name, first.frozen) == ("miqa_small_frozen", ("pretrained",))
    assert (second.name, second.frozen) == ("miqa_small", ()) and second.backbone_learning_rate < 1
    assert first.licence == second.licence == LICENCE and first.version == second.version
    assert set(MiqaSmall(first.outputs, area=64 * 96, large_area=96 * 128).pretrained) == set(WEIGHTS)
