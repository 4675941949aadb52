"""What a run file says of the regions of interest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class RoiConfig(BaseModel):
    """Where the regions of interest come from: the section ``roi`` of a run file (docs/roi.md).

    Attributes:
        kind: one of ``ROI_KINDS``; where neither it nor ``model`` is stated and no network is installed, ``saliency``.
        path: folder of kind ``masks``, weights of kind ``dino``.
        model: network of kind ``salient``: a name, an ``.onnx`` file, or a ``.yaml`` file that describes one.
        options: for kinds of other packages.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = "salient"
    path: Path | None = None
    model: str | None = None
    options: dict[str, Any] = Field(default_factory=dict, description="For kinds of other packages.")

    @model_validator(mode="after")
    def _model_has_a_use(self) -> RoiConfig:
        if self.model is not None and self.kind != "salient":
            raise ValueError(f"roi.model is for roi.kind salient: roi.kind '{self.kind}' takes none. Remove it")
        return self
