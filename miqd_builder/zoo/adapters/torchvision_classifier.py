"""Classifiers of torchvision."""

from __future__ import annotations

from typing import Any

import torchvision
from torchvision.models import get_model, get_model_weights, list_models

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.zoo.adapters.base import Adapter, BuildOptions
from miqd_builder.zoo.adapters.classifier import Classifier
from miqd_builder.zoo.adapters.preprocess import ClassifierInput
from miqd_builder.zoo.entry import ModelEntry
from miqd_builder.zoo.weights.loading import load_weights

IMAGENET_CLASSES = 1000


def build(entry: ModelEntry, options: BuildOptions) -> Adapter:
    """Build the torchvision classifier ``entry.arch`` with the preprocessing of its published weights or the entry's.

    Raises:
        ConfigError: torchvision has no such classifier, or doesn't take the entry's ``arch_kwargs``.
    """
    assert entry.arch is not None  # the entry was validated
    known = list_models(module=torchvision.models)
    if entry.arch not in known:
        raise ConfigError(
            f"Model {entry.name!r}: torchvision has no classifier {entry.arch!r}.{did_you_mean(entry.arch, known)}"
        )
    try:
        model = get_model(entry.arch, weights=None, **entry.arch_kwargs)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"Model {entry.name!r}: torchvision can't build {entry.arch!r} with {entry.arch_kwargs}: {error}"
        ) from error
    if not options.random_weights:
        load_weights(model, entry)
    preprocess = own_preprocessing(entry).overridden_by(entry.preprocess)
    num_classes = int(entry.arch_kwargs.get("num_classes", IMAGENET_CLASSES))
    return Classifier(entry, options, model=model, preprocess=preprocess, num_classes=num_classes)


def own_preprocessing(entry: ModelEntry) -> ClassifierInput:
    """Return the preprocessing of the published weights: those with the entry's url, else torchvision's default ones."""
    weights: Any = get_model_weights(str(entry.arch))
    url = entry.checkpoint.url if entry.checkpoint else None
    chosen = next((w for w in weights if url is not None and w.url == url), weights.DEFAULT)
    preset = chosen.transforms()
    return ClassifierInput(
        resize=preset.resize_size[0],
        crop=(preset.crop_size[0], preset.crop_size[0]),
        interpolation=preset.interpolation.value,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )
