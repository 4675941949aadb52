"""`miqd zoo verify`: what the check of a model notices, and the sweep that measures models in processes of their own."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from miqd_builder.responses import Classification, Detections, Response, Segmentation
from miqd_builder.zoo.check.contract import contract_problem, verify_model
from miqd_builder.zoo.check.sweep import sweep
from miqd_builder.zoo.entry import ModelEntry
from pipelines.cli.main import app

RUNNER = CliRunner()


class Told:
    """A model whose predictions are given."""

    num_classes = 2

    def __init__(self, task: str, prediction) -> None:
        self.entry = ModelEntry(name="told", task=task, backend="python", target="any:thing")
        self.prediction = prediction
        self.asked = 0

    def predict(self, images) -> list[Response]:
        self.asked += 1
        return [self.prediction(image, self.asked, len(images)) for image in images]


def probabilities(*values: float):
    return lambda image, asked, n: Classification(np.array(values, np.float32))


def detections(boxes, scores=(0.5,), categories=(1,), masks=None, size=None):
    def prediction(image, asked: int, n: int) -> Detections:
        height, width = size or image.shape[:2]
        arrays = np.array(boxes, np.float32), np.array(scores, np.float32), np.array(categories, np.int32)
        return Detections(height, width, *arrays, masks)

    return prediction


BOX = [[1, 2, 30, 40]]
EMPTY_MASK = [b"0"]


@pytest.mark.parametrize(
    ("task", "prediction"),
    [
        ("cls", probabilities(0.25, 0.75)),
        ("det", detections(BOX)),
        ("det", detections(np.zeros((0, 4)), (), ())),
        ("seg", lambda image, asked, n: Segmentation.from_map(np.eye(*image.shape[:2], dtype=int))),
    ],
)
def test_good_predictions_pass(task: str, prediction) -> None:
    assert contract_problem(Told(task, prediction)) is None


@pytest.mark.parametrize(
    ("task", "prediction", "problem"),
    [
        ("cls", detections(BOX), "returns Detections, which is no prediction of task cls"),
        ("det", probabilities(0.5, 0.5), "returns Classification, which is no prediction of task det"),
        ("cls", probabilities(0.5, 0.4), "gives no probabilities of 2 classes that sum to 1"),
        ("cls", probabilities(np.nan, 1), "gives no probabilities of 2 classes that sum to 1"),
        ("cls", probabilities(1.5, -0.5), "gives no probabilities of 2 classes that sum to 1"),
        ("cls", probabilities(0.2, 0.3, 0.5), "for the probabilities of 2 classes"),
        ("det", detections(BOX, size=(10, 10)), "predicts for 10x10 pixels on an image of 128x96"),
        ("det", detections([[1, 2, 3, 400]]), "gives boxes outside the image"),
        ("det", detections([[30, 2, 1, 40]]), "gives boxes without area"),
        ("det", detections(BOX * 2, (0.1, 0.2), (1, 2)), "not by falling score"),
        ("det", detections(BOX * 101, [0.5] * 101, [1] * 101), "gives more than 100 detections"),
        ("det", detections(BOX, (1.5,)), "gives scores outside"),
        ("det", detections(BOX, categories=(3,)), "gives categories that it doesn't have"),
        ("det", detections(BOX, categories=(1, 1)), "and 2 categories"),
        ("ins", detections(BOX), "gives no masks, but its task is ins"),
        ("det", detections(BOX, masks=EMPTY_MASK), "gives masks, but its task is det"),
        ("ins", detections(BOX, masks=[]), "gives 0 masks to 1 boxes"),
    ],
)
def test_bad_predictions_are_named(task: str, prediction, problem: str) -> None:
    assert problem in str(contract_problem(Told(task, prediction)))


def test_empty_masks_are_noticed() -> None:
    from miqd_builder.responses import encode_masks

    def prediction(image, asked: int, n: int) -> Detections:
        return detections(BOX, masks=encode_masks(np.zeros((1, *image.shape[:2]), bool)))(image, asked, n)

    assert contract_problem(Told("ins", prediction)) == "gives empty masks"


def test_overlapping_classes_are_noticed() -> None:
    from miqd_builder.responses import encode_masks

    def prediction(image, asked: int, n: int) -> Segmentation:
        return Segmentation(*image.shape[:2], np.array([1, 2], np.int32), encode_masks(np.ones((2, *image.shape[:2]), bool)))

    assert contract_problem(Told("seg", prediction)) == "gives some pixels two classes"


def test_changing_predictions_are_noticed() -> None:
    forgetful = Told(
        "cls", lambda image, asked, n: Classification(np.array([0.5, 0.5] if asked == 1 else [0.4, 0.6], np.float32))
    )
    assert "for the same images again" in str(contract_problem(forgetful))
    sociable = Told("cls", lambda image, asked, n: Classification(np.array([1 / n, 1 - 1 / n], np.float32)))
    assert "for an image alone" in str(contract_problem(sociable))


def test_a_checkpoint_is_loaded_where_it_is_on_disk(tmp_path: Path) -> None:
    fields = {"name": "m", "task": "cls", "backend": "timm", "arch": "mobilenetv3_small_050", "arch_kwargs": {"num_classes": 7}}
    checkpoint = {"path": tmp_path / "weights.safetensors"}
    assert verify_model(ModelEntry(**fields, checkpoint=checkpoint)).weights == "random"
    checkpoint["path"].write_bytes(b"damaged")
    verdict = verify_model(ModelEntry(**fields, checkpoint=checkpoint))
    assert verdict.weights == "checkpoint" and "is damaged" in str(verdict.problem)
    assert verify_model(ModelEntry(**fields, checkpoint=checkpoint), random_weights=True).problem is None


ZOO = """
models:
  - {name: small, task: cls, backend: timm, arch: mobilenetv3_small_050, params: 1.59}
  - {name: wrong, task: cls, backend: timm, arch: mobilenetv3_small_050, params: 3}
  - {name: dies, task: cls, backend: python, target: "tests.zoo.check.test_contract_check:die"}
"""


def die(entry, options):
    """A model whose process ends while it is built, as it does when memory runs out."""
    import os

    os._exit(9)


def test_a_sweep_survives_its_models_and_goes_on_where_it_was(tmp_path: Path) -> None:
    """Each model costs itself only; what was measured without a problem isn't measured again."""
    zoo, results = tmp_path / "zoo.yaml", tmp_path / "sweep" / "results.jsonl"
    table, rows_file = tmp_path / "table.md", tmp_path / "table.csv"
    zoo.write_text(ZOO)
    command = ["zoo", "verify", "--random-weights", "--zoo", str(zoo), "--results", str(results)]
    command += ["--table", str(table), "--csv", str(rows_file)]
    first = RUNNER.invoke(app, command)
    assert first.exit_code == 1
    assert "small (cls): ok, 1.59 M parameters" in first.output
    assert "has 1.59 million parameters, its entry says 3" in first.output
    assert "dies (cls): its process died (9)" in first.output
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert [row["name"] for row in rows] == ["small", "wrong", "dies"]
    assert rows[0]["gflops"] == pytest.approx(0.046, rel=0.2)
    assert 100 < rows[0]["peak_mib"] < 4000
    assert "| small | - | - | 1.59 |" in table.read_text()
    with rows_file.open(newline="") as stream:
        lines = {line["model"]: line for line in csv.DictReader(stream)}
    assert lines["small"]["params_millions"] == "1.59" and lines["small"]["problem"] == ""
    assert lines["dies"]["params_millions"] == "" and "process died (9)" in lines["dies"]["problem"]

    from miqd_builder.zoo.catalog import load_zoo

    entries = [entry for entry in load_zoo([zoo]) if entry.name == "small"]
    results.write_text(results.read_text().replace('"ms": ', '"ms": 1') + '{"key": "cut o')
    assert next(sweep(entries, results)).ms == float(f"1{rows[0]['ms']}")


def test_measuring_options_need_random_weights() -> None:
    result = RUNNER.invoke(app, ["zoo", "verify", "demo_mobilenetv3", "--again"])
    assert result.exit_code == 1 and "belong to --random-weights" in f"{result.output}{result.exception}"
