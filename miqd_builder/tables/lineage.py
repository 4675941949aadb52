"""Lineage: what a part was made from, one class for each table, and its form as JSON in the part's footer.

The hash of a lineage is the part's content hash: a part with the wanted hash is done. From a part with another hash, the rows
whose source, distortion and model are unchanged are reused, so that only what is new is computed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from miqd_builder.errors import ConfigError
from miqd_builder.tasks import Task, check_task

PARTS_VERSION = 1
"""Part of every content hash: raising it makes everything again."""

Hashes = Mapping[str, str]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PartState:
    """State of a part when another one was made from it.

    Attributes:
        content_hash: hash of its lineage.
        rows: number of rows; a part that lacks some has the same hash as the whole one.
    """

    content_hash: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantsLineage:
    """Of a part of ``variants``.

    Attributes:
        images: png or none.
        sources: content hash of each source: file, ROI mask and seed.
        distortions: hash of each distortion: candidates and algorithm.
        degradations: hash of the names of all degradations.
        full_reference: columns beside PSNR, in earlier layouts of the run folder.
    """

    images: str
    sources: Hashes
    distortions: Hashes
    degradations: str
    full_reference: tuple[str, ...] = ()

    @property
    def settings(self) -> tuple[object, ...]:
        """Settings that apply to every row."""
        return (self.images, self.full_reference)

    @property
    def candidates(self) -> CandidatesLineage:
        """Of the part of ``candidates`` with the same sources."""
        return CandidatesLineage(sources=self.sources, distortions=self.distortions)

    def to_json(self) -> Json:
        """See :func:`to_json`."""
        # Omitted when empty, so that the hash of earlier parts stays the same.
        measures = {"full_reference": list(self.full_reference)} if self.full_reference else {}
        return {"table": "variants", "images": self.images, **measures, **_rendered_json(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatesLineage:
    """Of a part of ``candidates``; the fields are those of :class:`VariantsLineage`."""

    sources: Hashes
    distortions: Hashes

    def to_json(self) -> Json:
        """See :func:`to_json`."""
        return {"table": "candidates", "sources": dict(self.sources), "distortions": dict(self.distortions)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsesLineage:
    """Of one model's part of ``responses``.

    Attributes:
        task: of the model.
        model: hash of the model, of what its classes mean and of its precision.
        sources: content hash of each source, with its class label for task cls.
        distortions, degradations: as for :class:`VariantsLineage`.
    """

    task: Task
    model: str
    sources: Hashes
    distortions: Hashes
    degradations: str

    @property
    def settings(self) -> tuple[object, ...]:
        """Settings that apply to every row."""
        return (self.task, self.model)

    def to_json(self) -> Json:
        """See :func:`to_json`."""
        return {"table": "responses", "task": self.task, "model": self.model, **_rendered_json(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuresLineage:
    """Of one measure's part of ``measures``.

    Attributes:
        name: of the measure.
        measure: hash of the measure: its version, minimum size, weights, and code of another package.
        sources, distortions, degradations: as for :class:`VariantsLineage`; whether images are kept changes no value.
    """

    name: str
    measure: str
    sources: Hashes
    distortions: Hashes
    degradations: str

    @property
    def settings(self) -> tuple[object, ...]:
        """Settings that apply to every row."""
        return (self.name, self.measure)

    def to_json(self) -> Json:
        """See :func:`to_json`."""
        return {"table": "measures", "name": self.name, "measure": self.measure, **_rendered_json(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoresLineage:
    """Of one model's part of ``scores``.

    Attributes:
        responses: the part of ``responses``; None without one.
        truth: hash of the ground truth of each source.
        recipe: hash of the recipe.
    """

    responses: PartState | None
    truth: Hashes
    recipe: str

    def to_json(self) -> Json:
        """See :func:`to_json`."""
        return {"table": "scores", "responses": _state_json(self.responses), "truth": dict(self.truth), "recipe": self.recipe}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsLineage:
    """Of a part of ``labels``.

    Attributes:
        variants: the part of ``variants``; None without one.
        scores: the part of ``scores`` of each model that was asked for; None for a model without scores.
        weights: weight of each model.
        recipe: hash of the recipe.
    """

    variants: PartState | None
    scores: Mapping[str, PartState | None]
    weights: Mapping[str, float]
    recipe: str

    def to_json(self) -> Json:
        """See :func:`to_json`."""
        return {
            "table": "labels",
            "variants": _state_json(self.variants),
            "scores": {model: _state_json(state) for model, state in self.scores.items()},
            "weights": dict(self.weights),
            "recipe": self.recipe,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedLabelsLineage:
    """Of a part of ``labels`` that was imported from files.

    Attributes:
        format: name of the format.
        task: of the labels.
        files: SHA-256 of each file.
    """

    format: str
    task: Task
    files: Hashes

    def to_json(self) -> Json:
        """See :func:`to_json`."""
        return {"table": "labels", "format": self.format, "task": self.task, "files": dict(self.files)}


RenderedLineage = VariantsLineage | ResponsesLineage | MeasuresLineage
"""Of tables with a row for each source and degradation, which can be reused row by row."""
Lineage = RenderedLineage | CandidatesLineage | ScoresLineage | LabelsLineage | ImportedLabelsLineage


def to_json(lineage: Lineage) -> Json:
    """Return a lineage as a JSON object; ``table`` names its table.

    Examples:
        >>> to_json(ScoresLineage(responses=PartState("5f", 502), truth={"cat": "a0"}, recipe="61"))
        {'table': 'scores', 'responses': ['5f', 502], 'truth': {'cat': 'a0'}, 'recipe': '61'}
    """
    return lineage.to_json()


def from_json(content: Json) -> Lineage:
    """Return the lineage that :func:`to_json` turned into ``content``.

    Raises:
        ValueError: the object is none of this version.
    """
    try:
        imported = content["table"] == "labels" and "format" in content
        return _READERS["imported labels" if imported else content["table"]](content)
    except (KeyError, TypeError, AttributeError, ConfigError) as error:
        raise ValueError(f"no lineage of a part: {type(error).__name__} {error}") from None


def short_hash(*texts: str) -> str:
    """Return a hash of some texts, 16 hex digits."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def content_hash(lineage: Lineage) -> str:
    """Return the hash of a lineage, 32 hex digits."""
    return hashed_json(to_json(lineage))


def hashed_json(content: Json) -> str:
    """Return the hash of a lineage in its form as JSON, 32 hex digits."""
    return hashlib.sha256(compact_json({**content, "schema_version": PARTS_VERSION}).encode()).hexdigest()[:32]


def compact_json(content: Json) -> str:
    """Return valid JSON; the same object gives the same text.

    Raises:
        ValueError: a number is infinite or NaN, which JSON doesn't have.
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def changed_fields(before: Lineage, now: Lineage) -> list[str]:
    """Return the names of what differs between two lineages of one table, sorted."""
    return sorted(field.name for field in fields(now) if getattr(before, field.name) != getattr(now, field.name))


def _rendered_json(lineage: RenderedLineage) -> Json:
    return {
        "sources": dict(lineage.sources),
        "distortions": dict(lineage.distortions),
        "degradations": lineage.degradations,
    }


def _state_json(state: PartState | None) -> list[Any] | None:
    return None if state is None else [state.content_hash, state.rows]


def _state(content: list[Any] | None) -> PartState | None:
    return None if content is None else PartState(*content)


def _rendered(content: Json) -> Json:
    return {name: content[name] for name in ("sources", "distortions", "degradations")}


_READERS: dict[str, Callable[[Json], Lineage]] = {
    "variants": lambda c: VariantsLineage(
        images=c["images"], full_reference=tuple(c.get("full_reference", ())), **_rendered(c)
    ),
    "candidates": lambda c: CandidatesLineage(sources=c["sources"], distortions=c["distortions"]),
    "responses": lambda c: ResponsesLineage(task=check_task(c["task"]), model=c["model"], **_rendered(c)),
    "measures": lambda c: MeasuresLineage(name=c["name"], measure=c["measure"], **_rendered(c)),
    "scores": lambda c: ScoresLineage(responses=_state(c["responses"]), truth=c["truth"], recipe=c["recipe"]),
    "labels": lambda c: LabelsLineage(
        variants=_state(c["variants"]),
        scores={model: _state(state) for model, state in c["scores"].items()},
        weights=c["weights"],
        recipe=c["recipe"],
    ),
    "imported labels": lambda c: ImportedLabelsLineage(format=c["format"], task=check_task(c["task"]), files=c["files"]),
}
