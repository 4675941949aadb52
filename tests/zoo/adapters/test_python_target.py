"""Models of the user's own: any factory that returns something with num_classes and predict."""

from pathlib import Path

import numpy as np
import pytest

from miqd_builder.errors import ConfigError
from miqd_builder.responses import Classification
from miqd_builder.zoo.build import build
from miqd_builder.zoo.entry import ModelEntry

SOURCE = """
import numpy as np
from miqd_builder.responses import Classification, Detections

class Brightness:
    num_classes = 2

    def __init__(self, scale=1.0):
        self.scale = scale

    def predict(self, images):
        bright = [min(1.0, self.scale * image.mean() / 255) for image in images]
        return [Classification(np.array([b, 1 - b], np.float32)) for b in bright]

class Broken(Brightness):
    def __init__(self, prediction):
        self.prediction = prediction

    def predict(self, images):
        return self.prediction(images)

def frame(height, width, masks=False):
    box = np.array([[0, 0, 1, 1]])
    found = np.ones((1, height, width), bool) if masks else None
    return Detections.from_raw(
        height=height, width=width, boxes=box, scores=np.ones(1), category_ids=np.ones(1, int), masks=found
    )

def brightness(entry, options, scale=1.0):
    return Brightness(scale)

def nothing(entry, options):
    return object()

def too_few(entry, options):
    return Broken(lambda images: [])

def wrong_kind(entry, options):
    return Broken(lambda images: ["cat" for _ in images])

def wrong_length(entry, options):
    return Broken(lambda images: [Classification(np.ones(3, np.float32) / 3) for _ in images])

def wrong_sum(entry, options):
    return Broken(lambda images: [Classification(np.ones(2, np.float32)) for _ in images])

def wrong_size(entry, options):
    return Broken(lambda images: [frame(5, 5) for _ in images])

def boxes(entry, options):
    return Broken(lambda images: [frame(*image.shape[:2]) for image in images])

def masks(entry, options):
    return Broken(lambda images: [frame(*image.shape[:2], masks=True) for image in images])
"""


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An entry for a factory of the module above."""
    (tmp_path / "users_models.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)

    def entry_of(factory: str, task: str = "cls", **fields) -> ModelEntry:
        return ModelEntry(name="mine", task=task, backend="python", target=f"users_models:{factory}", **fields)

    return entry_of


IMAGES = [np.full((4, 6, 3), value, np.uint8) for value in (51, 204)]


def test_a_factory_gets_its_arguments_and_its_model_predicts(entry) -> None:
    for scale, expected in ((1.0, [0.2, 0.8]), (0.5, [0.1, 0.4])):
        model = build(entry("brightness", arch_kwargs={"scale": scale}))
        assert model.num_classes == 2
        predictions = model.predict(IMAGES)
        assert all(isinstance(prediction, Classification) for prediction in predictions)
        np.testing.assert_allclose([prediction.probabilities[0] for prediction in predictions], expected, rtol=1e-6)


@pytest.mark.parametrize(("factory", "task"), [("boxes", "det"), ("masks", "ins")])
def test_detections_pass_through(entry, factory: str, task: str) -> None:
    predictions = build(entry(factory, task)).predict(IMAGES)
    assert [len(prediction.scores) for prediction in predictions] == [1, 1]


@pytest.mark.parametrize(
    ("factory", "task", "message"),
    [
        ("too_few", "cls", "returned 0 predictions for 2 images"),
        ("wrong_kind", "cls", "expected Classification for task cls, got str"),
        ("wrong_length", "cls", r"expected 2 probabilities that sum to 1, got shape \(3,\)"),
        ("wrong_sum", "cls", "expected 2 probabilities that sum to 1"),
        ("wrong_size", "det", "a prediction for 5x5 pixels, the image has 4x6"),
        ("boxes", "ins", "task ins needs masks"),
        ("masks", "det", "task det takes no masks"),
        ("boxes", "cls", "expected Classification for task cls, got Detections"),
    ],
)
def test_predictions_that_break_the_contract_are_refused(entry, factory: str, task: str, message: str) -> None:
    model = build(entry(factory, task))
    with pytest.raises(ConfigError, match=f"Model 'mine': .*{message}|Model 'mine' {message}"):
        model.predict(IMAGES)


def test_a_factory_must_return_a_model(entry) -> None:
    with pytest.raises(
        ConfigError, match="users_models:nothing returned object, expected an object with num_classes and predict"
    ):
        build(entry("nothing"))


def test_the_checkpoint_is_verified_before_the_factory_runs(entry, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"weights")
    with pytest.raises(ConfigError, match="is not the expected file"):
        build(entry("brightness", checkpoint={"path": tmp_path / "w.bin", "sha256": "0" * 64}))
