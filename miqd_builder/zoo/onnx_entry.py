"""The section ``onnx`` of a zoo entry: what the outputs of an ONNX file are called and what they mean."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from miqd_builder.tasks import Task

OutputName = Annotated[str, Field(min_length=1)]

_NEEDED: dict[Task, tuple[str, ...]] = {"cls": ("logits",), "det": ("boxes", "classes"), "ins": ("boxes", "classes", "masks")}
_DETECTOR_FIELDS = frozenset(
    {"boxes", "scores", "labels", "masks", "classes", "size", "fit", "fill", "box_format", "box_unit", "first_label"}
    | {"min_score", "nms_iou", "mask_area", "mask_threshold"}
)


class OnnxGraph(BaseModel):
    """Outputs of a network by name, and how an image becomes its input.

    A classifier has ``logits``; the rest is for detectors and instance segmenters. A leading axis of length 1 of an output is
    the image. ``boxes`` ``(n, 4)`` go with ``scores`` ``(n,)`` and ``labels`` ``(n,)``, or with ``scores`` ``(n, classes)``
    alone; ``(n, 5)`` has the scores, ``(n, 6)`` the scores and the labels in its last columns.

    Attributes:
        logits: ``(images, classes)``, before the softmax.
        boxes, scores, labels, masks: of a detector.
        classes: number of classes of a detector.
        size: height and width of a detector's input in pixels; not with ``fit: as_is``.
        fit: the image fills the input (``stretch``), keeps its aspect ratio in its middle (``pad``) or in its upper left corner
            (``pad_end``), or is given as it is (``as_is``).
        fill: grey value of the padding, 0..255.
        channels: order of the input's channels.
        box_format: x1, y1, x2, y2; or x, y, width, height of the corner (``xywh``) or of the centre (``cxcywh``).
        box_unit: pixels of the input, shares of its width and height, or pixels of the image.
        first_label: the label of the first class; lower ones are the background.
        min_score: detections with this score or less are left out.
        nms_iou: suppress boxes of a class that overlap a better one by more; None: the graph has done it.
        mask_area: what a mask ``(n, rows, columns)`` or ``(n, 1, rows, columns)`` covers: the input, the image, or its box.
        mask_threshold: pixels above it belong to the object.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    logits: OutputName | None = None
    boxes: OutputName | None = None
    scores: OutputName | None = None
    labels: OutputName | None = None
    masks: OutputName | None = None
    classes: PositiveInt | None = None
    size: tuple[PositiveInt, PositiveInt] | None = None
    fit: Literal["stretch", "pad", "pad_end", "as_is"] = "stretch"
    fill: Annotated[int, Field(ge=0, le=255)] = 114
    channels: Literal["rgb", "bgr"] = "rgb"
    box_format: Literal["xyxy", "xywh", "cxcywh"] = "xyxy"
    box_unit: Literal["input", "share", "image"] = "input"
    first_label: NonNegativeInt = 0
    min_score: Annotated[float, Field(ge=0, lt=1)] = 0.0
    nms_iou: Annotated[float, Field(gt=0, le=1)] | None = None
    mask_area: Literal["input", "image", "box"] = "input"
    mask_threshold: float = 0.5

    def problem(self, task: Task) -> str | None:
        """Return what doesn't fit a model of this task, None if nothing."""
        missing = [name for name in _NEEDED.get(task, ()) if getattr(self, name) is None]
        if missing:
            return f"task {task} needs onnx.{' and onnx.'.join(missing)}"
        if task == "cls":
            foreign = sorted(self.model_fields_set & _DETECTOR_FIELDS)
        else:
            foreign = [name for name in ("logits", *(["masks"] if task == "det" else [])) if getattr(self, name) is not None]
        if foreign:
            return f"task {task} doesn't use onnx.{' and onnx.'.join(foreign)}"
        if task != "cls" and (self.size is None) != (self.fit == "as_is"):
            return "give onnx.size (height and width of the input), or onnx.fit: as_is, not both"
        if self.labels is not None and self.scores is None:
            return "onnx.labels needs onnx.scores"
        return None
