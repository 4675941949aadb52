"""Measures of image quality: uint8 RGB images in, one float64 an image out."""

from miqd_builder.measures.measure import Core, Measure, Scorer
from miqd_builder.measures.registry import MEASURES, create_measure, find_measure, list_measures

__all__ = ["MEASURES", "Core", "Measure", "Scorer", "create_measure", "find_measure", "list_measures"]
