"""Classifiers of timm (PyTorch Image Models)."""

from __future__ import annotations

import math
import sys
from typing import Any

import timm
from timm.data.config import resolve_data_config
from timm.models import is_model, model_entrypoint
from torch import nn

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.zoo.adapters.base import Adapter, BuildOptions
from miqd_builder.zoo.adapters.classifier import Classifier
from miqd_builder.zoo.adapters.preprocess import ClassifierInput
from miqd_builder.zoo.entry import ModelEntry
from miqd_builder.zoo.weights.checkpoint import StateDict
from miqd_builder.zoo.weights.loading import load_weights

_OF_WEIGHTS = frozenset({"checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"})
"""Arguments with which timm would load weights itself: files whose hash nobody checks."""


def build(entry: ModelEntry, options: BuildOptions) -> Adapter:
    """Build the timm model ``entry.arch`` (``name`` or ``name.tag``) with its own preprocessing or the entry's.

    Raises:
        ConfigError: timm has no such model, or doesn't take the entry's ``arch_kwargs``.
    """
    assert entry.arch is not None  # the entry was validated
    if not is_model(entry.arch):
        raise ConfigError(
            f"Model {entry.name!r}: timm has no architecture {entry.arch!r}.{did_you_mean(entry.arch, timm.list_models())}"
        )
    name, dot, _ = entry.arch.partition(".")
    tagged = timm.list_pretrained(f"{name}.*") if dot else []
    if dot and entry.arch not in tagged:
        raise ConfigError(
            f"Model {entry.name!r}: timm has no weights {entry.arch!r}.{did_you_mean(entry.arch, tagged)} "
            f"Of {name} it knows: {', '.join(tagged[:8]) or 'none'}."
        )
    if given := sorted(_OF_WEIGHTS & set(entry.arch_kwargs)):
        raise ConfigError(f"Model {entry.name!r}: arch_kwargs may not hold {given[0]!r}: name the weights under checkpoint.")
    try:
        model: Any = timm.create_model(entry.arch, pretrained=False, **entry.arch_kwargs)
    except (TypeError, RuntimeError, ValueError, AssertionError) as error:
        raise ConfigError(f"Model {entry.name!r}: timm can't build {entry.arch!r} with {entry.arch_kwargs}: {error}") from error
    if not options.random_weights:
        load_weights(model, entry, convert=_converter(entry.arch))
    preprocess = own_preprocessing(resolve_data_config(model=model), entry).overridden_by(entry.preprocess)
    return Classifier(entry, options, model=model, preprocess=preprocess, num_classes=int(model.num_classes))


def own_preprocessing(data_config: dict[str, Any], entry: ModelEntry) -> ClassifierInput:
    """Return the evaluation preprocessing that timm's data config of a model describes.

    Raises:
        ConfigError: it crops in a way that is not provided here and the entry doesn't say what to do instead.
    """
    height, width = data_config["input_size"][1:]
    scaled = (math.floor(height / data_config["crop_pct"]), math.floor(width / data_config["crop_pct"]))
    squash = data_config["crop_mode"] == "squash"
    plain = data_config["crop_mode"] == "center" and height == width
    given = entry.preprocess
    if not (squash or plain or (given is not None and given.resize_short and given.crop)):
        raise ConfigError(
            f"Model {entry.name!r}: its own preprocessing (crop mode {data_config['crop_mode']!r}, input {height}x{width}) "
            "is not provided. Give preprocess: {resize_short: ..., crop: ...} in the zoo entry."
        )
    return ClassifierInput(
        resize=scaled if squash else scaled[0],
        crop=(height, width),
        interpolation=data_config["interpolation"],
        mean=tuple(data_config["mean"]),
        std=tuple(data_config["std"]),
    )


def _converter(arch: str) -> Any:
    """Return the function with which timm itself brings published weights of this family into its own form, if it has one."""
    module = sys.modules[model_entrypoint(arch).__module__]
    convert = getattr(module, "checkpoint_filter_fn", None)
    if convert is None:
        return None

    def converted(state: StateDict, model: nn.Module) -> StateDict:
        return convert(state, model)

    return converted
