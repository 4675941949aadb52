"""Semantic segmenters of mmseg."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from miqd_builder.errors import ConfigError
from miqd_builder.responses import Response, Segmentation
from miqd_builder.zoo.adapters.base import Adapter, BatchedAdapter, BuildOptions, Prepared, RGBImage
from miqd_builder.zoo.adapters.categories import segment_ids_of
from miqd_builder.zoo.adapters.mm_config import OpenMMLabModel, build_network
from miqd_builder.zoo.adapters.mm_pipeline import build_pipeline
from miqd_builder.zoo.entry import ModelEntry
from miqd_builder.zoo.weights.loading import load_weights


def build(entry: ModelEntry, options: BuildOptions) -> Adapter:
    """Build the semantic segmenter of an mmseg config, with the config's own test pipeline and test mode (whole or slide).

    Raises:
        ConfigError: the config describes no semantic segmenter, or the classes don't fit the label PNGs.
    """
    model = build_network(entry)
    num_classes = getattr(model.network, "num_classes", None)
    if not isinstance(num_classes, int) or _predicts_depth(model):
        raise ConfigError(f"Model {entry.name!r}: config {entry.config!r} is no semantic segmenter's, it can't do task seg.")
    category_ids = segment_ids_of(entry.name, num_classes, options.category_ids)
    if not options.random_weights:
        load_weights(model.network, entry)
    _draw_the_same_bases(model.network)
    return MMSegSegmenter(entry, options, model, category_ids)


def _predicts_depth(model: OpenMMLabModel) -> bool:
    from mmseg.models.segmentors import DepthEstimator

    return isinstance(model.network, DepthEstimator)


def _draw_the_same_bases(network: nn.Module) -> None:
    """Let every image start from the same random bases, in place.

    SegNeXt's matrix factorisation draws them anew at each pass: one image would get another map each time, and in each place of
    a batch.
    """
    from mmseg.models.decode_heads.ham_head import NMF2D

    def same_bases(batch: int, groups: int, channels: int, rank: int, device: torch.device | None = None) -> Tensor:
        drawn = torch.rand((groups, channels, rank), generator=torch.Generator().manual_seed(0))
        return nn.functional.normalize(drawn, dim=1).repeat(batch, 1, 1).to(device)

    for module in network.modules():
        if isinstance(module, NMF2D):
            module._build_bases = same_bases


class MMSegSegmenter(BatchedAdapter):
    """An mmseg model: one class for every pixel of the original image."""

    def __init__(
        self, entry: ModelEntry, options: BuildOptions, model: OpenMMLabModel, category_ids: NDArray[np.int32]
    ) -> None:
        super().__init__(entry, options)
        self.num_classes = len(category_ids)
        self._category_ids = category_ids
        self._pipeline = build_pipeline(entry, model.config)
        self.model = self.ready(model.network)

    def prepare(self, image: RGBImage) -> Prepared:
        """Run the test pipeline on the image."""
        packed = self._pipeline(image)
        return Prepared(packed["inputs"], packed["data_samples"])

    def infer(self, items: Sequence[Prepared]) -> list[Response]:
        """Return the class map of each item, in pixels of the original image."""
        batch = {"inputs": [item.inputs for item in items], "data_samples": [item.context for item in items]}
        maps = [sample.pred_sem_seg.data[0].long().cpu().numpy() for sample in self.model.test_step(batch)]
        return [Segmentation.from_map(self._category_ids[classes]) for classes in maps]
