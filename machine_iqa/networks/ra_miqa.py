"""RA-MIQA as published: a ViT-S/16 that scores a crop, told by a frozen ViT-S/16 what the whole picture shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from machine_iqa.networks.base import Output, Prediction, QualityNetwork, Views
from machine_iqa.networks.crops import HALF, IMAGENET_MEAN, IMAGENET_STD, crop_of_resized, crop_record, normalised
from machine_iqa.networks.pretrained import load_pretrained
from machine_iqa.networks.region_encoder import WIDTH, RegionEncoder, from_timm

SHORT_SIDE, CROP = 288, 224


class RaMiqa(QualityNetwork):
    """The region-aware network of the paper; one output has the tensors of the published checkpoints.

    Views: ``crop``, 224x224 of the image resized to a short side of 288, values -1 to 1; ``whole``, the central 288x288 of the
    same, with ImageNet's mean and standard deviation.

    Args:
        outputs: columns of its scores; the published checkpoints have one.
        backbone: pretrained weights of timm's ``vit_small_patch16_224`` for the branch that is trained.
        region_encoder: pretrained weights of a self-supervised ViT-S/16 (SERE, DINO) for the branch that stays frozen.

    Raises:
        ConfigError: a file of weights doesn't fit.
    """

    backbone_modules = ("base_model", "pos_embed")
    unused = ("base_model.pos_embed",)

    def __init__(
        self, outputs: Sequence[Output], backbone: str | Path | None = None, region_encoder: str | Path | None = None
    ) -> None:
        super().__init__()
        self.outputs = tuple(outputs)
        self.base_model = cast(Any, timm.create_model("vit_small_patch16_224", num_classes=0))
        self.mask_encoder = RegionEncoder().requires_grad_(False)
        self.mask_projector = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH), nn.GELU())
        self.quality_regressor = nn.Sequential(
            nn.Linear(2 * WIDTH, WIDTH), nn.GELU(), nn.Dropout(0.2), nn.Linear(WIDTH, len(self.outputs))
        )
        if backbone is not None:
            load_pretrained(self.base_model, backbone)
        if region_encoder is not None:
            load_pretrained(self.mask_encoder, region_encoder, convert=from_timm)
        # One position more than the backbone has. As published, the region token starts from the position of CLS and CLS from a
        # random one; the trained weights contain it.
        pretrained = self.base_model.pos_embed.detach()
        second = torch.randn(1, 1, WIDTH) * 0.02
        self.pos_embed = nn.Parameter(torch.cat([pretrained[:, :1], second, pretrained[:, 1:]], 1))

    def views(self, image: NDArray[np.uint8], rng: np.random.Generator | None = None) -> Views:
        """Return ``crop`` ``(3, 224, 224)``, anywhere in training, and ``whole`` ``(3, 288, 288)``."""
        crop = crop_of_resized(image, SHORT_SIDE, CROP, rng)
        whole = crop_of_resized(image, SHORT_SIDE, SHORT_SIDE)
        return {"crop": normalised(crop, HALF, HALF), "whole": normalised(whole, IMAGENET_MEAN, IMAGENET_STD)}

    def preprocessing(self) -> dict[str, Any]:
        """Return how the two views are made."""
        return {
            "crop": crop_record(SHORT_SIDE, CROP, HALF, HALF),
            "whole": crop_record(SHORT_SIDE, SHORT_SIDE, IMAGENET_MEAN, IMAGENET_STD),
        }

    def forward(self, views: Views) -> Prediction:
        """Score a batch; the scores are not bounded."""
        crop, whole = views["crop"], views["whole"]
        with torch.no_grad():
            region_features = self.mask_encoder(whole)
        region = self.mask_projector(region_features).unsqueeze(1)
        cls = self.base_model.cls_token.expand(crop.shape[0], -1, -1)
        tokens = torch.cat([region, cls, self.base_model.patch_embed(crop)], 1) + self.pos_embed
        for block in self.base_model.blocks:
            tokens = block(tokens)
        tokens = self.base_model.norm(tokens)
        return Prediction(self._regress(tokens[:, 1], tokens[:, 0]))

    def _regress(self, cls: Tensor, region: Tensor) -> Tensor:
        scores: Tensor = self.quality_regressor(torch.cat([cls, region], 1))
        return scores
