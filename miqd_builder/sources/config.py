"""What a run file says of the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, field_validator

from miqd_builder.sources.images import MAX_PIXELS


class SourceConfig(BaseModel):
    """Where the clean images and their ground truth are: the section ``source`` of a run file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    images: Path
    labels: Path | None = None
    annotations: Path | None = None
    top_k_per_class: PositiveInt | None = None
    quality: Path | None = None
    category_ids: tuple[NonNegativeInt, ...] | None = Field(None, description="Pixel values of label PNGs that are classes.")
    recursive: bool = Field(False, description="Whether images in subfolders count.")
    max_pixels: PositiveInt = Field(MAX_PIXELS, description="Larger images are refused before they are decoded.")
    options: dict[str, Any] = Field(default_factory=dict, description="For kinds of other packages.")

    @field_validator("category_ids", mode="before")
    @classmethod
    def _expand_ranges(cls, value: Any) -> Any:
        """``[1-150]`` is short for 1, 2 .. 150."""
        if not isinstance(value, list):
            return value
        ids: list[Any] = []
        for item in value:
            first, dash, last = str(item).partition("-")
            is_range = bool(dash) and first.isdigit() and last.isdigit()
            ids += range(int(first), int(last) + 1) if is_range else [item]
        return ids
