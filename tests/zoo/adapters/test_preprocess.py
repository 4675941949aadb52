"""The shared preprocessing of classifiers against timm's and torchvision's own transforms."""

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from timm.data import create_transform, resolve_data_config

from miqd_builder.errors import ConfigError
from miqd_builder.zoo.adapters import timm_classifier, torchvision_classifier
from miqd_builder.zoo.adapters.preprocess import ClassifierInput
from miqd_builder.zoo.entry import ModelEntry, Preprocess

SIZES = [(300, 400), (401, 263), (50, 60), (1, 1), (1, 40)]


def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


def timm_entry(arch: str, **fields) -> ModelEntry:
    return ModelEntry(name="m", task="cls", backend="timm", arch=arch, **fields)


@pytest.mark.parametrize(
    "arch", ["resnet18.a1_in1k", "vit_tiny_patch16_224", "coatnet_0_rw_224", "tf_efficientnet_b0.ns_jft_in1k"]
)
def test_timm_models_see_what_timm_shows_them(arch: str) -> None:
    config = resolve_data_config(model=timm.create_model(arch))
    theirs = create_transform(**config)
    ours = timm_classifier.own_preprocessing(config, timm_entry(arch))
    for picture in pictures():
        torch.testing.assert_close(ours(picture), theirs(Image.fromarray(picture)), rtol=0, atol=0)


def test_timm_models_that_squash_the_image_do_so_here() -> None:
    config = {**resolve_data_config(model=timm.create_model("resnet18")), "crop_mode": "squash", "crop_pct": 1.0}
    theirs = create_transform(**config)
    ours = timm_classifier.own_preprocessing(config, timm_entry("resnet18"))
    torch.testing.assert_close(ours(pictures()[0]), theirs(Image.fromarray(pictures()[0])), rtol=0, atol=0)


def test_other_crop_modes_of_timm_need_a_preprocess() -> None:
    config = {**resolve_data_config(model=timm.create_model("resnet18")), "crop_mode": "border"}
    with pytest.raises(ConfigError, match=r"crop mode 'border'.*Give preprocess"):
        timm_classifier.own_preprocessing(config, timm_entry("resnet18"))
    given = timm_entry("resnet18", preprocess={"resize_short": 224, "crop": 224})
    assert timm_classifier.own_preprocessing(config, given).overridden_by(given.preprocess).resize == 224


@pytest.mark.parametrize("arch", ["mobilenet_v2", "inception_v3", "vit_b_16"])
def test_torchvision_models_see_what_torchvision_shows_them(arch: str) -> None:
    theirs = torchvision.models.get_model_weights(arch).DEFAULT.transforms()
    ours = torchvision_classifier.own_preprocessing(ModelEntry(name="m", task="cls", backend="torchvision", arch=arch))
    for picture in pictures():
        torch.testing.assert_close(ours(picture), theirs(Image.fromarray(picture)), rtol=0, atol=0)


def test_torchvision_weights_are_recognised_by_their_url() -> None:
    weights = torchvision.models.get_model_weights("resnet50")
    for member in weights:
        checkpoint = {"url": member.url, "sha256": "0" * 8}
        entry = ModelEntry(name="m", task="cls", backend="torchvision", arch="resnet50", checkpoint=checkpoint)
        assert torchvision_classifier.own_preprocessing(entry).resize == member.transforms().resize_size[0]


def test_given_fields_replace_the_models_own_and_the_rest_stays() -> None:
    own = ClassifierInput(resize=(256, 256), crop=(224, 224), interpolation="bicubic")
    changed = own.overridden_by(Preprocess(resize_short=100, crop=96))
    assert changed == ClassifierInput(resize=100, crop=(96, 96), interpolation="bicubic")
    assert own.overridden_by(None) == own


def test_values_are_normalised_on_the_unit_interval() -> None:
    look = ClassifierInput(resize=2, crop=(2, 2), mean=(0.5, 0.5, 0.0), std=(0.5, 0.25, 1.0))
    found = look(np.full((2, 2, 3), 255, np.uint8))
    assert found.shape == (3, 2, 2)
    torch.testing.assert_close(found[:, 0, 0], torch.tensor([1.0, 2.0, 1.0]))
