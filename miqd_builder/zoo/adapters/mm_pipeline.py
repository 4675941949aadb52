"""The test pipeline of an OpenMMLab config, run on images in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from miqd_builder.errors import ConfigError
from miqd_builder.zoo.adapters.base import RGBImage
from miqd_builder.zoo.adapters.mm_config import quiet
from miqd_builder.zoo.adapters.mmdet_steps import Step, image_steps
from miqd_builder.zoo.entry import ModelEntry

if TYPE_CHECKING:
    from mmengine.config import Config

Pipeline = Callable[[RGBImage], dict[str, Any]]


def build_pipeline(entry: ModelEntry, config: Config) -> Pipeline:
    """Return the config's test pipeline as a function of an RGB image; what it loads from disk is left out.

    The function returns what the pipeline's last step packs: ``inputs``, uint8 or float32 ``(3, height, width)``, and
    ``data_samples`` with the image's original size and scale.

    Raises:
        ConfigError: the config has no test pipeline, or its steps can't be built.
    """
    from mmcv.transforms import Compose
    from mmengine.registry import DefaultScope

    steps = _test_pipeline(entry, config)
    as_float = any(step.get("to_float32", False) for step in steps if _type_name(step) == "LoadImageFromFile")
    wanted = [_with_tuple(step) for step in steps if not _type_name(step).startswith("Load")]
    with DefaultScope.overwrite_default_scope(entry.backend), quiet():  # the registry imports what it doesn't know yet
        try:
            transforms = Compose(_light_steps(entry, config, wanted) or wanted)
        except (KeyError, TypeError, ValueError, AssertionError) as error:
            raise ConfigError(f"Model {entry.name!r}: test pipeline of {entry.config!r} can't be built: {error}") from error

    def pipeline(image: RGBImage) -> dict[str, Any]:
        bgr = np.ascontiguousarray(image[:, :, ::-1], np.float32 if as_float else np.uint8)
        size = bgr.shape[:2]
        return transforms({"img": bgr, "img_shape": size, "ori_shape": size, "img_id": 0, "img_path": ""})

    return pipeline


def _light_steps(entry: ModelEntry, config: Config, steps: list[dict[str, Any]]) -> list[Step] | None:
    """The steps without mmdet's data sets; a config's ``custom_imports`` may put steps of their own in place of mmdet's."""
    return image_steps(steps) if entry.backend == "mmdet" and not config.get("custom_imports") else None


def _test_pipeline(entry: ModelEntry, config: Config) -> list[dict[str, Any]]:
    dataset = config.get("test_dataloader", {}).get("dataset", {})
    while "pipeline" not in dataset and ("dataset" in dataset or "datasets" in dataset):  # wrappers around the real one
        dataset = dataset["dataset"] if "dataset" in dataset else dataset["datasets"][0]
    steps = dataset.get("pipeline") or config.get("test_pipeline")
    if not steps:
        raise ConfigError(f"Model {entry.name!r}: config {entry.config!r} has no test pipeline.")
    return list(steps)


def _type_name(step: dict[str, Any]) -> str:
    """Name of a step's class, which configs write as ``Name``, ``scope.Name`` or the class itself."""
    kind = step["type"]
    return kind.rsplit(".", 1)[-1] if isinstance(kind, str) else kind.__name__


def _with_tuple(step: dict[str, Any]) -> dict[str, Any]:
    """The step with its scale as a tuple: mmcv takes nothing else for width and height, and YAML and JSON have lists only."""
    return {**step, "scale": tuple(step["scale"])} if isinstance(step.get("scale"), list) else step
