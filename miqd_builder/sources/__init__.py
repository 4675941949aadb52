"""Source images and their ground truth: ImageNet, COCO, a bare folder, or a kind of another package."""

from miqd_builder.sources.base import SourceImage, SourceSet
from miqd_builder.sources.files import RefusedFile
from miqd_builder.sources.label_maps import LabelMap
from miqd_builder.sources.registry import SOURCES, SourceKind, check_serves, open_source
from miqd_builder.sources.truth import Annotations, ClassLabel, Truth

__all__ = [
    "SOURCES",
    "Annotations",
    "ClassLabel",
    "LabelMap",
    "RefusedFile",
    "SourceImage",
    "SourceKind",
    "SourceSet",
    "Truth",
    "check_serves",
    "open_source",
]
