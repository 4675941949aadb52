"""Train the demo detectors and instance segmenters, and run them.

The models come from mmdet; the loop is ours: it feeds scenes from memory and needs neither files nor a runner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from miqd_builder.responses import Detections
from pipelines.demo.scenes import Instance, Scene, bounding_box
from pipelines.demo.schedules import Schedule, report_progress
from pipelines.demo.train_classifiers import recolour

MAX_GRADIENT = 20.0
"""Gradients are scaled down to this norm."""


def train_detector(model: Any, scenes: Sequence[Scene], schedule: Schedule, *, with_masks: bool) -> None:
    """Train in place: AdamW and one cycle on the model's own losses.

    Args:
        model: an mmdet detector.
        scenes: training scenes.
        schedule: epochs, batch size, learning rate, weight decay, seed.
        with_masks: give the instance masks too.
    """
    steps = schedule.steps(len(scenes))
    optimiser = torch.optim.AdamW(_parameter_groups(model, schedule.weight_decay), lr=schedule.learning_rate)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, schedule.learning_rate, total_steps=steps, pct_start=0.15)
    model.train().to(memory_format=torch.channels_last)  # a third faster on a CPU
    for step, batch in enumerate(_batches(scenes, schedule, with_masks)):
        data = model.data_preprocessor(batch, training=True)
        inputs = data["inputs"].contiguous(memory_format=torch.channels_last)
        loss, _ = model.parse_losses(model.loss(inputs, data["data_samples"]))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT)
        optimiser.step()
        rates.step()
        report_progress(step, steps, float(loss.detach()))
    model.eval()


def predict(model: Any, scenes: Sequence[Scene]) -> list[Detections]:
    """Return the detections of every scene; category ids are class labels + 1."""
    model.eval()
    predictions = []
    with torch.inference_mode():
        for scene in scenes:
            data = model.data_preprocessor({"inputs": [_tensor(scene.image)], "data_samples": [_sample(scene.image)]})
            found = model(**data, mode="predict")[0].pred_instances.cpu().numpy()
            masks = found.masks.astype(bool) if "masks" in found else None
            boxes = found.bboxes if masks is None else boxes_around(masks)
            height, width = scene.image.shape[:2]
            predictions.append(
                Detections.from_raw(
                    height=height, width=width, boxes=boxes, scores=found.scores, category_ids=found.labels + 1, masks=masks
                )
            )
    return predictions


def boxes_around(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return bounding boxes x1, y1, x2, y2 of masks ``(n, h, w)``, zeros for an empty mask: SOLOv2 predicts no boxes."""
    boxes = np.zeros((len(masks), 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay, biases and normalisation layers do not."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _batches(scenes: Sequence[Scene], schedule: Schedule, with_masks: bool) -> Iterator[dict[str, list[Any]]]:
    """Augmented batches of every epoch, in the form that mmdet's data preprocessor takes."""
    rng = np.random.default_rng(schedule.seed)
    for epoch in range(schedule.epochs):
        scale = 0.5 if epoch < schedule.half_size * schedule.epochs else 1.0
        order = rng.permutation(len(scenes))
        for start in range(0, len(order) - schedule.batch + 1, schedule.batch):
            inputs, samples = [], []
            for index in order[start : start + schedule.batch]:
                scene = transformed(scenes[index], scale=scale, mirrored=rng.random() < 0.5)
                inputs.append(_tensor(recolour(rng, scene.image)))
                samples.append(training_sample(scene, with_masks=with_masks))
            yield {"inputs": inputs, "data_samples": samples}


def transformed(scene: Scene, *, scale: float, mirrored: bool) -> Scene:
    """Scale a scene down and mirror it left to right, ground truth included."""
    return replace(
        scene,
        image=np.asarray(_resized(scene.image, scale, mirrored), np.uint8),
        instances=tuple(_transformed_instance(instance, scale, mirrored) for instance in scene.instances),
    )


def _transformed_instance(instance: Instance, scale: float, mirrored: bool) -> Instance:
    mask = _resized(instance.mask.astype(np.uint8), scale, mirrored).astype(bool)
    return replace(instance, mask=mask, box=bounding_box(mask))


def _resized(pixels: NDArray[np.uint8], scale: float, mirrored: bool) -> NDArray[Any]:
    turned = np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels
    if scale == 1:
        return turned
    return np.asarray(cv2.resize(turned, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def training_sample(scene: Scene, *, with_masks: bool) -> Any:
    """Return an mmdet data sample with the scene's labels, boxes and, if wanted, masks."""
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData

    height, width = scene.image.shape[:2]
    x, y, w, h = np.array([instance.box for instance in scene.instances], np.float32).T
    truth = InstanceData(
        labels=torch.tensor([instance.label for instance in scene.instances]),
        bboxes=torch.from_numpy(np.stack([x, y, x + w, y + h], axis=1)),
    )
    if with_masks:
        masks = np.stack([instance.mask for instance in scene.instances]).astype(np.uint8)
        truth.masks = BitmapMasks(masks, height, width)
    sample = _sample(scene.image)
    sample.gt_instances = truth
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
    return sample


def _sample(image: NDArray[np.uint8]) -> Any:
    from mmdet.structures import DetDataSample

    size = image.shape[:2]
    return DetDataSample(metainfo={"ori_shape": size, "img_shape": size, "scale_factor": (1.0, 1.0)})


def _tensor(image: NDArray[np.uint8]) -> torch.Tensor:
    """RGB ``(h, w, 3)`` to the BGR ``(3, h, w)`` that mmdet's loaders give."""
    return torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)))
