"""Configurations and their columns."""

from __future__ import annotations

import pyarrow as pa

from miqd_builder.formats.huggingface.features import IMAGE
from miqd_builder.formats.publication.shard import Shard
from miqd_builder.tables.schema import LABELS, MEASURES, RESPONSES, SCORES, VARIANTS

SOURCES = pa.schema(
    [
        ("source_id", pa.string()),
        ("file_name", pa.string()),
        ("file_sha256", pa.string()),
        ("class_index", pa.int32()),
        ("roi", IMAGE),
        ("licence", pa.string()),
        ("licence_url", pa.string()),
        ("origin", pa.string()),
    ]
)

_SHOWN = ("source_id", "degradation", "distortion", "category", "region", "roi_severity", "bg_severity")

IMAGES = pa.schema(
    [
        ("image", IMAGE),
        *((name, VARIANTS.field(name).type) for name in _SHOWN),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("pixel_sha256", pa.string()),
        ("licence", pa.string()),
        ("licence_url", pa.string()),
    ]
)

PREVIEW = pa.schema(
    [
        ("image", IMAGE),
        ("source_id", pa.string()),
        ("degradation", pa.string()),
        ("model", pa.string()),
        ("predictions_on_original", pa.int32()),
        ("predictions", pa.int32()),
        ("licence", pa.string()),
    ]
)

MEANINGS = {
    "labels": "consistency, accuracy and composite of each degraded image over all models: the labels to learn from",
    "scores": "consistency and accuracy of each model on each image, one folder a model",
    "responses": "what each model predicted on each image, originals among them, one folder a model",
    "measures": "image quality measures of each degraded image, one folder a measure",
    "variants": "each degraded image: severities, size, PSNR and the SHA-256 of its pixels, to check a regenerated one",
    "sources": "the clean images: file name and hash, ROI mask, class label, licence and origin of each photograph",
    "images": "the images themselves, originals among them (PNG; originals as the source's own files)",
    "images-sample": "all images of a few sources, originals among them",
    "preview": "original and degraded image side by side, with the predictions of one model burned in",
}
"""What each configuration holds, by its name without the task."""


def schema_of(shard: Shard) -> pa.Schema:
    """Return the columns of a file."""
    fixed = {"variants": VARIANTS, "sources": SOURCES, "images": IMAGES, "preview": PREVIEW}
    if shard.table in fixed:
        return fixed[shard.table]
    if shard.table == "measures":
        return pa.schema([("measure", pa.string()), *MEASURES])
    tables = {"labels": LABELS, "scores": SCORES, "responses": RESPONSES}[shard.table]
    own = tables[str(shard.task)]
    return own if shard.table == "labels" else pa.schema([("model", pa.string()), *own])


def meaning(config: str) -> str:
    """Return what a configuration holds, by its name."""
    name = config if config in MEANINGS else config.rpartition("-")[0]
    return MEANINGS[name]
