"""Recipes: named, versioned rules that turn responses into scores and scores into labels.

Two ship with the project. A user's own is a YAML file of the same fields, or an entry point of the group ``miqd.recipes`` that
names a :class:`Recipe`; both may name own functions as ``package.module:function``.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, StringConstraints, ValidationError

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.labeling import agreement
from miqd_builder.registry import Registry
from miqd_builder.yaml_files import read_mapping

SUFFIXES = (".yaml", ".yml")

Share = Annotated[float, Field(ge=0, le=1)]


class Recipe(BaseModel):
    """How responses become labels.

    Attributes:
        name: value of the column ``recipe`` in the labels.
        version: raised whenever the same responses would give other labels.
        class_consistency: how two predictions of a classifier are compared: a name in
            :data:`~miqd_builder.labeling.agreement.CLASS_CONSISTENCIES` or ``package.module:function``.
        detection_score: the figure of an image's average precision that is the score: a name in
            :data:`~miqd_builder.labeling.agreement.DETECTION_SCORES` or ``package.module:function``.
        reference_score: detections on the original with at least this score are the reference of consistency.
        composite_consistency: share of consistency in the composite; accuracy has the rest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=100)]
    version: PositiveInt
    class_consistency: str = "top1"
    detection_score: str = "ap"
    reference_score: Share = 0.3
    composite_consistency: Share = 0.5

    def content_hash(self) -> str:
        """Return a hash of all fields, and of the source of own functions as it is on disk now."""
        own = [agreement.function_sha256(name) for name in self._functions]
        facts = json.dumps([self.model_dump(), own], sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()[:16]

    def modules(self) -> dict[str, str]:
        """Return the hashes of the modules of own functions, for :func:`miqd_builder.user_code.planned` on a worker."""
        own = {name.partition(":")[0]: agreement.function_sha256(name) for name in self._functions if ":" in name}
        return {module: sha256 for module, sha256 in own.items() if sha256}

    @property
    def _functions(self) -> tuple[str, str]:
        return self.class_consistency, self.detection_score


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="miqd_v1", version=1),
        Recipe(name="soft_v1", version=1, class_consistency="jensen_shannon", detection_score="ap75"),
    )
}
"""Recipes that ship, by name."""

REGISTRY: Registry[Recipe] = Registry("recipe", "miqd.recipes", RECIPES)
"""Recipes by name, those of installed packages among them."""


def get_recipe(name: str) -> Recipe:
    """Return a recipe: one that ships, one of an installed package, or one of a YAML file.

    Args:
        name: name of the recipe, or path of a file that ends in .yaml or .yml.

    Raises:
        ConfigError: there is none of that name, or its fields are wrong.
    """
    if name.endswith(SUFFIXES):
        recipe = _read(Path(name))
    elif name in RECIPES:
        return RECIPES[name]
    else:
        recipe = _installed(name)
    agreement.class_consistency(recipe.class_consistency)
    agreement.detection_score(recipe.detection_score)
    return recipe


def _read(file: Path) -> Recipe:
    fields = read_mapping("Recipe file", file, "fields such as 'name' and 'version'")
    try:
        recipe = Recipe.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(f"Recipe file '{file}': {_explain(error)}") from None
    if recipe.name in RECIPES and recipe != RECIPES[recipe.name]:
        raise ConfigError(f"Recipe file '{file}' takes the name '{recipe.name}' of a recipe that ships: choose another name.")
    return recipe


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown field '{field}'.{did_you_mean(field, Recipe.model_fields)}"
    if first["type"] == "missing":
        return f"the field '{field}' is missing."
    return f"{field} = {first['input']!r}: {first['msg']}."


def _installed(name: str) -> Recipe:
    if name not in REGISTRY:
        known = REGISTRY.names()
        raise ConfigError(
            f"Unknown recipe '{name}': known are {', '.join(known)}, or a file that ends in .yaml.{did_you_mean(name, known)}"
        )
    recipe = REGISTRY.fresh(name)
    if not isinstance(recipe, Recipe) or recipe.name != name:
        raise ConfigError(f"Entry point '{name}' of {REGISTRY.group} must name a Recipe(name='{name}', ...): got {recipe!r}.")
    return recipe
