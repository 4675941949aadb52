"""The batches of a training, for Lightning."""

from __future__ import annotations

from collections.abc import Mapping

from lightning.pytorch import LightningDataModule

from machine_iqa.data.batches import Batches, BatchLoader, MakesViews, shapes_of
from machine_iqa.data.labelled import Labelled
from machine_iqa.data.order import BatchOrder
from machine_iqa.training.config import TrainingConfig
from miqd_builder.tables.splits import SplitName


class Loaders(LightningDataModule):
    """Loaders of the training and the validation images.

    Args:
        parts: labelled images by split.
        views: of the network.
        config: batch size, seed, workers.
    """

    def __init__(self, parts: Mapping[SplitName, Labelled], views: MakesViews, config: TrainingConfig) -> None:
        super().__init__()
        self._parts, self._views, self._config = parts, views, config

    def train_dataloader(self) -> BatchLoader:
        """Return the loader of this process's training images."""
        return self.loader("train", *self._place())

    def val_dataloader(self) -> BatchLoader:
        """Return the loader of this process's validation images."""
        return self.loader("validation", *self._place())

    def _place(self) -> tuple[int, int]:
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size

    def loader(self, split: SplitName, rank: int = 0, world: int = 1) -> BatchLoader:
        """Return the loader of a split's images.

        Args:
            split: random views and draws for ``train``, fixed ones for the others.
            rank: of the process.
            world: number of processes.
        """
        config, training = self._config, split == "train"
        sources = self._parts[split].sources
        limits = {"train": config.degradations_per_source, "validation": config.validation_degradations_per_source}
        order = BatchOrder(
            sources,
            shapes_of(sources, self._views, training=training),
            batch_size=config.batch_size,
            seed=config.seed,
            training=training,
            degradations_per_source=limits.get(split),
            images_per_source=config.images_per_source,
            rank=rank,
            world=world,
            multiple_of=config.validations_per_epoch if training else 1,
        )
        masks = training and config.losses.mask > 0
        batches = Batches(sources, self._views, seed=config.seed if training else None, masks=masks)
        return BatchLoader(batches, order, workers=config.workers)
