"""Means of groups of degradations with their declines against the originals: one way for all statistics that have both."""

from __future__ import annotations

from miqd_builder.auditing.found import NO_SCORES, NO_TRUTH, NO_UNIFORM, Found
from miqd_builder.auditing.label_means import LABELS, Group, LabelMeans

ORIGINALS = "the original images: consistency 1, accuracy of the same models with the labels' weights"
UNDEFINED = "the models' accuracy on the originals is unknown or 0"
SCORE, PER_CENT = "score", "per cent"


def add_means_and_declines(
    found: Found, labels: LabelMeans, name: str, groups: list[Group], *, title: str, definition: str, severities: str
) -> None:
    """Add the mean labels of groups of degradations as ``name``, and their declines as ``name_decline``."""
    interval = labels.resampling.text()
    found.add(
        name,
        labels.mean_records(groups),
        title=title,
        definition=definition,
        unit=SCORE,
        severities=severities,
        interval=interval,
        why_not=NO_UNIFORM,
        labels=LABELS,
    )
    found.add(
        f"{name}_decline",
        labels.decline_records(groups),
        title=f"{title}: decline",
        definition="100 (1 - mean label / mean label of the same images' originals).",
        unit=PER_CENT,
        severities=severities,
        baseline=ORIGINALS,
        interval=interval,
        why_not=NO_UNIFORM,
        labels=LABELS,
        why_no_label=why_no_decline(labels),
    )


def why_no_decline(labels: LabelMeans) -> str:
    """Return why there may be no decline of accuracy or composite."""
    if not labels.values.count[0, :, 1].any():
        return NO_TRUTH
    return UNDEFINED if labels.scored else NO_SCORES
