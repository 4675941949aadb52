"""Work items: one stage's work on one part, with everything that a worker needs.

An item carries contents, never names that a worker would resolve from its own files: the run file, the zoo entries and the
recipe as the client resolved them, and the hashes that the client planned with. A worker compares the hashes with its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from miqd_builder.config import RunConfig
from miqd_builder.store.keys import PartKey
from miqd_builder.tables.lineage import LabelsLineage, MeasuresLineage, ResponsesLineage, ScoresLineage, VariantsLineage
from miqd_builder.tasks import Task
from miqd_builder.zoo.entry import ModelEntry

if TYPE_CHECKING:
    from miqd_builder.labeling.recipes import Recipe
    from miqd_builder.measures import Measure


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """What the items of one command share.

    Attributes:
        config: the resolved run file.
        token: differs for every command, so that a worker that lives on opens the source again.
        plugins: hash of the source of each module that distortions of the run come from.
        distortions: hash of each distortion.
    """

    config: RunConfig
    token: str
    plugins: Mapping[str, str]
    distortions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """A model and what its part of ``responses`` is made from.

    Attributes:
        run: that it belongs to; the models of an item may be of several tasks, each with a run file of its own.
        entry: the zoo entry.
        entry_hash: content hash of the entry when the run was planned.
        lineage: of the part.
    """

    run: PlannedRun
    entry: ModelEntry
    entry_hash: str
    lineage: ResponsesLineage

    def key(self, part: int) -> PartKey:
        """Name of its work on a part."""
        return PartKey("respond", part, self.lineage.task, self.entry.name)


@dataclass(frozen=True, slots=True)
class PlannedMeasure:
    """A measure and what its part of ``measures`` is made from.

    Attributes:
        lineage: of the part, with the measure's name and its hash when the run was planned.
        code: hash of the module of a measure of another package.
        own_weights: lists of weights beside those that ship.
        record: of a measure that isn't in the registry, such as a quality model.
    """

    lineage: MeasuresLineage
    code: Mapping[str, str]
    own_weights: tuple[Path, ...] = ()
    record: Measure | None = None

    @property
    def measure(self) -> str | Measure:
        """What finds the measure: its record, or its name."""
        return self.record or self.lineage.name

    def key(self, part: int) -> PartKey:
        """Name of its work on a part."""
        return PartKey("measure", part, model=self.lineage.name)


@dataclass(frozen=True, slots=True)
class PlannedRecipe:
    """The rules that turn responses into labels.

    Attributes:
        recipe: the rules.
        content_hash: of the rules when the run was planned.
        modules: hash of the source of each module with functions of the recipe.
    """

    recipe: Recipe
    content_hash: str
    modules: Mapping[str, str]

    @classmethod
    def of(cls, recipe: Recipe) -> PlannedRecipe:
        """Plan with a recipe as it is now."""
        return cls(recipe, recipe.content_hash(), recipe.modules())


@dataclass(frozen=True, kw_only=True)
class PartItem:
    """One stage's work on one part.

    Attributes:
        run: what the items of the command share.
        part: number of the part.
    """

    run: PlannedRun
    part: int

    @property
    def keys(self) -> tuple[PartKey, ...]:
        """Names of the item: one key for each part of a table that it writes."""
        raise NotImplementedError

    def split(self) -> Sequence[PartItem]:
        """Return smaller items that together are this one."""
        return (self,)


@dataclass(frozen=True, kw_only=True)
class DegradePart(PartItem):
    """Render the degraded images of a part and write its part of ``variants``.

    Attributes:
        lineage: of the part.
    """

    lineage: VariantsLineage

    @property
    def keys(self) -> tuple[PartKey, ...]:
        """See :class:`PartItem`."""
        return (PartKey("degrade", self.part),)


@dataclass(frozen=True, kw_only=True)
class RespondPart(PartItem):
    """Run some models on the images of a part and write their parts of ``responses``.

    Attributes:
        planned: the models, of one or several tasks; they share every image that is read.
    """

    planned: tuple[PlannedModel, ...]

    @property
    def keys(self) -> tuple[PartKey, ...]:
        """See :class:`PartItem`."""
        return tuple(model.key(self.part) for model in self.planned)

    def split(self) -> Sequence[PartItem]:
        """Return an item for each model."""
        return [replace(self, planned=(model,)) for model in self.planned]


@dataclass(frozen=True, kw_only=True)
class MeasurePart(PartItem):
    """Compute some measures of the images of a part and write their parts of ``measures``.

    Attributes:
        planned: the measures; they share every image that is read.
    """

    planned: tuple[PlannedMeasure, ...]

    @property
    def keys(self) -> tuple[PartKey, ...]:
        """See :class:`PartItem`."""
        return tuple(measure.key(self.part) for measure in self.planned)

    def split(self) -> Sequence[PartItem]:
        """Return an item for each measure."""
        return [replace(self, planned=(measure,)) for measure in self.planned]


@dataclass(frozen=True, kw_only=True)
class ScorePart(PartItem):
    """Score one model's responses to a part.

    Attributes:
        task, model: whose responses.
        recipe: the rules.
        lineage: of the part of ``scores``.
    """

    task: Task
    model: str
    recipe: PlannedRecipe
    lineage: ScoresLineage

    @property
    def keys(self) -> tuple[PartKey, ...]:
        """See :class:`PartItem`."""
        return (PartKey("score", self.part, self.task, self.model),)


@dataclass(frozen=True, kw_only=True)
class LabelPart(PartItem):
    """Aggregate the scores of a part over the models.

    Attributes:
        task: of the labels.
        recipe: the rules.
        lineage: of the part of ``labels``: the scores and the weight of each model.
    """

    task: Task
    recipe: PlannedRecipe
    lineage: LabelsLineage

    @property
    def keys(self) -> tuple[PartKey, ...]:
        """See :class:`PartItem`."""
        return (PartKey("label", self.part, self.task),)


@dataclass(frozen=True, kw_only=True)
class ExportPart(PartItem):
    """Write the images and label files of a part in a format.

    Attributes:
        task: of the labels.
        form: name of the format.
        code: hash of the module of a format of another package.
        to: folder that everything goes below.
        images: whether images are written too, in a format that has them.
    """

    task: Task
    form: str
    code: Mapping[str, str]
    to: Path
    images: bool = True

    @property
    def keys(self) -> tuple[PartKey, ...]:
        """See :class:`PartItem`."""
        return (PartKey("export", self.part, self.task),)
