"""Predictions of a model for one image, in the common form that every adapter returns."""

from miqd_builder.responses.classification import Classification
from miqd_builder.responses.detections import MAX_DETECTIONS, DetectionBatch, Detections
from miqd_builder.responses.masks import decode_masks, encode_map, encode_masks
from miqd_builder.responses.segmentation import Segmentation

Response = Classification | Detections | Segmentation

__all__ = [
    "MAX_DETECTIONS",
    "Classification",
    "DetectionBatch",
    "Detections",
    "Response",
    "Segmentation",
    "decode_masks",
    "encode_map",
    "encode_masks",
]
