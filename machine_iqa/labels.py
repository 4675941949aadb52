"""The labels that quality models predict."""

from __future__ import annotations

from typing import Literal, get_args

from miqd_builder.errors import ConfigError, did_you_mean

Label = Literal["consistency", "accuracy", "composite"]
LABELS: tuple[Label, ...] = get_args(Label)


def check_label(name: str) -> Label:
    """Return the label of this name.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    for label in LABELS:
        if label == name:
            return label
    raise ConfigError(f"Unknown label '{name}': expected one of {', '.join(LABELS)}.{did_you_mean(name, LABELS)}")
