"""What every adapter promises, checked on a small model of each back end."""

import importlib.util
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch

from miqd_builder.responses import Classification, Detections, Response, Segmentation, decode_masks
from miqd_builder.zoo.adapters.base import Adapter
from miqd_builder.zoo.adapters.categories import category_ids_of
from miqd_builder.zoo.build import build
from tests.zoo.small_models import SMALL_MODELS


def build_small(name: str, batch_size: int | None = None) -> Adapter:
    model = build(SMALL_MODELS[name], batch_size=batch_size, random_weights=True)
    if model.entry.backend == "ultralytics":  # its initial weights find nothing
        for branch in model.model.model[-1].cv3:
            torch.nn.init.constant_(branch[-1].bias, 0.0)
    return model


@cache
def built(name: str) -> Adapter:
    return build_small(name)


@pytest.fixture(params=SMALL_MODELS)
def name(request: pytest.FixtureRequest) -> str:
    backend = SMALL_MODELS[request.param].backend
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    return request.param


@pytest.fixture(scope="module")
def predictions(images: list[np.ndarray]) -> Callable[[str], list[Response]]:
    """A model's predictions for all images in one call."""
    return cache(lambda name: built(name).predict(images))


def assert_same(some: list[Response], others: list[Response]) -> None:
    """Equal to the bit."""
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        for field in type(one).__dataclass_fields__:
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def test_responses_have_the_common_form(name: str, images: list[np.ndarray], predictions) -> None:
    model = built(name)
    before = [image.copy() for image in images]
    responses = predictions(name)
    assert len(responses) == len(images)
    for image, response in zip(images, responses, strict=True):
        CHECKS[model.entry.task](model, image, response)
    np.testing.assert_equal(images, before)


def check_classification(model: Adapter, image: np.ndarray, response: Response) -> None:
    assert isinstance(response, Classification)
    assert response.probabilities.shape == (model.num_classes,)
    assert response.probabilities.dtype == np.float32
    assert response.probabilities.sum() == pytest.approx(1, abs=1e-5)


def check_detections(model: Adapter, image: np.ndarray, response: Response) -> None:
    assert isinstance(response, Detections)
    assert (response.height, response.width) == image.shape[:2]
    assert (np.diff(response.scores) <= 0).all()
    assert (response.boxes >= 0).all()
    assert (response.boxes <= [response.width, response.height] * 2).all()
    assert set(response.category_ids.tolist()) <= set(category_ids_of("", model.num_classes, None).tolist())
    if model.entry.task == "det":
        assert response.masks is None
    else:
        assert response.masks is not None
        masks = decode_masks(response.masks, response.height, response.width)
        assert masks.shape == (len(response.scores), *image.shape[:2])


def check_segmentation(model: Adapter, image: np.ndarray, response: Response) -> None:
    assert isinstance(response, Segmentation)
    assert (response.height, response.width) == image.shape[:2]
    assert response.category_ids.dtype == np.int32
    assert set(response.category_ids.tolist()) <= set(range(model.num_classes))
    assert (decode_masks(response.masks, response.height, response.width).sum(axis=0) == 1).all()


CHECKS = {"cls": check_classification, "det": check_detections, "ins": check_detections, "seg": check_segmentation}


def test_random_models_find_something(name: str, predictions) -> None:
    """Else the other checks would pass on empty predictions."""
    for found in predictions(name)[:4]:
        if isinstance(found, Classification):
            assert found.probabilities.std() > 0
        else:
            assert len(found.category_ids) > isinstance(found, Segmentation)  # a map of one class tells nothing


@pytest.mark.parametrize("batch_size", [1, 7, 32])
def test_predictions_do_not_depend_on_the_batch_size(name: str, batch_size: int, images: list[np.ndarray], predictions) -> None:
    assert_same(build_small(name, batch_size).predict(images), predictions(name))


def test_predictions_do_not_depend_on_the_other_images(name: str, images: list[np.ndarray], predictions) -> None:
    model = built(name)
    assert_same(model.predict(images[2:] + images[:1]), predictions(name)[2:] + predictions(name)[:1])
    assert_same(model.predict(images[1:2]), predictions(name)[1:2])


def test_no_images_no_predictions(name: str) -> None:
    assert built(name).predict([]) == []


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)],
)
def test_other_arrays_are_refused(name: str, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected a uint8 image"):
        built(name).predict([image])
