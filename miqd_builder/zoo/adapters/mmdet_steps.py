"""The steps of mmdet's test pipelines for an image without annotations, without importing ``mmdet.datasets``.

mmdet's ``Resize`` and ``Pad`` are mmcv's with boxes, masks and a homography besides, and its ``PackDetInputs`` without
annotations is a tensor and a list of facts. All shipped detectors need nothing else. ``mmdet.datasets`` defines these three
among everything else that it has, and imports imgaug, SciPy's statistics and numba for that: 1.7 s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Step = Callable[[dict[str, Any]], dict[str, Any]]

FACTS = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "flip", "flip_direction")
"""What ``PackDetInputs`` packs about an image where a config names nothing else."""

_ONLY_THEIRS = "homography_matrix"
"""What mmdet's steps note about an image and mmcv's don't."""


def image_steps(steps: Sequence[Mapping[str, Any]]) -> list[Step] | None:
    """Return the steps of a test pipeline as functions of mmdet's dictionary of an image, or None if mmdet's own are needed.

    Args:
        steps: as in a config, without those that load something.

    Raises:
        TypeError: a step has an option that mmcv's doesn't know.
    """
    named = [(str(step["type"]).removeprefix("mmdet."), {k: v for k, v in step.items() if k != "type"}) for step in steps]
    if not all(name in _STEPS for name, _ in named):
        return None
    if any(_ONLY_THEIRS in options.get("meta_keys", ()) for _, options in named):
        return None
    return [_STEPS[name](**options) for name, options in named]


def _resize(**options: Any) -> Step:
    from mmcv.transforms import Resize

    step: Step = Resize(**options)
    return step


def _pad(**options: Any) -> Step:
    from mmcv.transforms import Pad

    step: Step = Pad(**options)
    return step


def _pack(meta_keys: Sequence[str] = FACTS) -> Step:
    import torch
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    def pack(image: dict[str, Any]) -> dict[str, Any]:
        sample = DetDataSample(metainfo={key: image[key] for key in meta_keys if key in image})
        sample.gt_instances, sample.ignored_instances = InstanceData(), InstanceData()
        return {
            "inputs": torch.from_numpy(np.ascontiguousarray(image["img"].transpose(2, 0, 1))),
            "data_samples": sample,
        }

    return pack


_STEPS: dict[str, Callable[..., Step]] = {"Resize": _resize, "Pad": _pad, "PackDetInputs": _pack}
