"""What a run file says of the regions of interest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class RoiConfig(BaseModel):
    """Where the regions of interest come from: the section ``roi`` of a run file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = "saliency"
    path: Path | None = None
    options: dict[str, Any] = Field(default_factory=dict, description="For kinds of other packages.")
