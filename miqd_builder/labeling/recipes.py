"""Recipes: named, versioned rules that turn responses into scores and scores into labels."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

from miqd_builder.errors import ConfigError, did_you_mean


@dataclass(frozen=True, slots=True)
class Recipe:
    """How responses become labels.

    Attributes:
        name: what labels say in their ``recipe`` column.
        version: raised whenever the same responses would give other labels.
        reference_score: detections on the original with at least this score are the reference of consistency.
        composite_consistency: weight of consistency in the composite; accuracy has the rest.
    """

    name: str
    version: int
    reference_score: float = 0.3
    composite_consistency: float = 0.5

    def fingerprint(self) -> str:
        """Return a hash of all fields."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:16]


RECIPES = {recipe.name: recipe for recipe in [Recipe("miqd_v1", version=1)]}


def get_recipe(name: str) -> Recipe:
    """Return a recipe by name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in RECIPES:
        raise ConfigError(f"Unknown recipe '{name}': known are {', '.join(RECIPES)}.{did_you_mean(name, RECIPES)}")
    return RECIPES[name]
