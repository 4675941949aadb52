"""Source images and their ground truth: ImageNet, COCO, or a bare folder."""

from miqd_builder.sources.base import GroundTruth, SourceImage, SourceSet
from miqd_builder.sources.registry import open_source

__all__ = ["GroundTruth", "SourceImage", "SourceSet", "open_source"]
