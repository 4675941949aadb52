"""Write the trained weights as those that ship."""

from __future__ import annotations

from pathlib import Path

from machine_iqa.opening import shipped_file
from machine_iqa.training.files import BEST, CARD
from machine_iqa.weights import load_model, save_model
from miqd_builder.errors import ConfigError

LARGEST = 8_000_000
"""Bytes that the weights may have."""


def ship(training: Path) -> Path:
    """Write a training's weights in half precision into ``machine_iqa/shipped``, with the card in their record.

    Args:
        training: folder of the training.

    Returns:
        the file.

    Raises:
        ConfigError: the training is not finished, or its weights are too large.
    """
    if not (training / CARD).is_file():
        raise ConfigError(f"'{training}' has no card yet: let the training end first.")
    network, record = load_model(training / BEST)
    card = (training / CARD).read_text("utf-8")
    target = shipped_file(record.network)
    target.parent.mkdir(exist_ok=True)
    save_model(network, target, record.model_copy(update={"card": card}))
    if target.stat().st_size > LARGEST:
        raise ConfigError(f"{target} has {target.stat().st_size} bytes, more than {LARGEST}: choose a smaller network.")
    target.with_suffix(".md").write_text(card, encoding="utf-8")
    return target
