"""``report/audit.json``: every number that the report shows, each with its interval and what it rests on.

The schema is documented in docs/audit.md. A statistic that can't be computed is not among ``statistics`` but among ``absent``,
with the reason: no number here is NaN, infinite or a stand-in.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from miqd_builder.errors import StoreError
from miqd_builder.store.folder import RunFolder

NAME = "report/audit.json"
FORMAT: Literal["miqd-audit/1"] = "miqd-audit/1"
RESAMPLES = 1000
"""Bootstrap draws, where nobody asks for another number."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Record(_Model):
    """One value. Keys that don't apply are None, and left out of the file.

    Attributes:
        label: what the value is of: consistency, accuracy, composite, or as the statistic says.
        value: the point estimate.
        low, high: ends of the interval; None where there is none (one source image, or undefined in most draws).
        n: rows that the value is made of: degraded images, or as the statistic says.
        sources: source images of these rows.
        excludes_zero: of a difference or decline: whether its interval lies on one side of 0; None without an interval.
        distortion, category, region: as in the labels.
        severity: of a uniform degradation.
        roi_severity, bg_severity: of the ROI and of the background.
        model: name of a model.
        other: what a difference is taken from: name of another model, distortion or set.
        threshold: of the consistency; of the machine ratio, in per cent, where the statistic says so.
        quantile: in [0, 1].
        error: type of a detection error.
        source_id, degradation: of a single image.
    """

    label: str
    value: FiniteFloat
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    n: int
    sources: int
    excludes_zero: bool | None = None
    distortion: str | None = None
    category: str | None = None
    region: str | None = None
    severity: int | None = None
    roi_severity: int | None = None
    bg_severity: int | None = None
    model: str | None = None
    other: str | None = None
    threshold: FiniteFloat | None = None
    quantile: FiniteFloat | None = None
    error: str | None = None
    source_id: str | None = None
    degradation: str | None = None


class Statistic(_Model):
    """Values of one kind.

    Attributes:
        title: what it is, for a heading.
        definition: one sentence; the whole definition with its source is in docs/audit.md.
        unit: of the values: ``score`` (0 to 1), ``per cent``, ``share``, ``severity``, ``bits per pixel`` ...
        severities: which degradations it rests on.
        baseline: what it is compared with; None where it is compared with nothing.
        interval: how the intervals were made; None where there are none.
        sample: which part of the run it was computed from, where not from all of it.
        records: the values.
    """

    title: str
    definition: str
    unit: str
    severities: str
    baseline: str | None = None
    interval: str | None = None
    sample: str | None = None
    records: tuple[Record, ...]


class ModelFacts(_Model):
    """A model of a task: its name, weight in the labels and the content hash of its zoo entry, where they are known."""

    name: str
    weight: FiniteFloat | None = None
    content_hash: str | None = None


class DistortionFacts(_Model):
    """A distortion of a task: its name, its category and how many degradations it has."""

    name: str
    category: str
    degradations: int


class TaskDocument(_Model):
    """What the audit found for one task.

    Attributes:
        recipe: of the labels.
        consistency_share: share of consistency in the composite.
        rows, sources: labels, and source images of them.
        rows_with_accuracy: labels with a ground truth.
        incomplete_rows: labels that lack a model, which failed there.
        models: those with scores.
        distortions: by category and name.
        statistics: by name.
        absent: why a statistic isn't there, by its name, or by its name and label (``severity.accuracy``).
    """

    recipe: str
    consistency_share: FiniteFloat
    rows: int
    sources: int
    rows_with_accuracy: int
    incomplete_rows: int
    models: tuple[ModelFacts, ...]
    distortions: tuple[DistortionFacts, ...]
    statistics: dict[str, Statistic]
    absent: dict[str, str]


class CommandFacts(_Model):
    """A command that made the run: what it ran with, by hashes."""

    command: str
    recipe: str | None = None
    weights: str | None = None
    run_file_sha256: str | None = None
    zoo: dict[str, str] = {}


class RunFacts(_Model):
    """Where the numbers come from.

    Attributes:
        name: of the run folder.
        content_hash: of all parts of labels that the audit read.
        seed: of the degradations.
        images: png or none.
        roi: kind of the ROI masks.
        layout: version of the run folder.
        sources, degradations, parts: of the run.
        quarantined: failures that the run recorded.
        versions: of Python and packages that the last command ran with.
        environment: operating system, processor, GPU, commit that the last command ran with.
        commands: that made it.
    """

    name: str
    content_hash: str
    seed: int
    images: str
    roi: str
    layout: int
    sources: int
    degradations: int
    parts: int
    quarantined: int
    versions: dict[str, str]
    environment: dict[str, str | int | None]
    commands: tuple[CommandFacts, ...]


class AgainstTask(_Model):
    """Paired differences of one task between two runs: statistics, and why others are absent."""

    sources: int
    rows: int
    only_here: int
    only_there: int
    statistics: dict[str, Statistic]
    absent: dict[str, str]


class Against(_Model):
    """Comparison with another run: this run less the other one.

    Attributes:
        run: the other run.
        tasks: those that both have labels of.
        absent: why a task can't be compared, by task.
    """

    run: RunFacts
    tasks: dict[str, AgainstTask]
    absent: dict[str, str]


class AuditDocument(_Model):
    """The content of ``report/audit.json``.

    Attributes:
        format: name and version of the schema.
        confidence: coverage of the intervals.
        resamples: bootstrap draws.
        seed: of the draws and samples.
        baseline_model: that mCE is taken against; None where none was named.
        run: where the numbers come from.
        tasks: what was found, by task.
        against: comparison with another run; None without one.
    """

    format: Literal["miqd-audit/1"] = FORMAT
    confidence: FiniteFloat = 0.95
    resamples: int
    seed: int
    baseline_model: str | None = None
    run: RunFacts
    tasks: dict[str, TaskDocument]
    against: Against | None = None

    def to_json(self) -> bytes:
        """Return the file's content: the same document gives the same bytes."""
        content: dict[str, Any] = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def write_document(folder: RunFolder, document: AuditDocument) -> str:
    """Write ``report/audit.json`` and return its path or url.

    Raises:
        StoreError: the folder can't be written.
    """
    folder.write(NAME, document.to_json())
    return folder.path(NAME)


def read_document(folder: RunFolder) -> AuditDocument:
    """Return what :func:`write_document` wrote.

    Raises:
        StoreError: it isn't there, or is none of this version.
    """
    try:
        return AuditDocument.model_validate_json(folder.read(NAME))
    except FileNotFoundError:
        raise StoreError(f"'{folder.path(NAME)}' is missing: run 'miqd audit' first.") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise StoreError(
            f"'{folder.path(NAME)}' is of another version or damaged ({place}: {first['msg']}): run 'miqd audit' again."
        ) from None
