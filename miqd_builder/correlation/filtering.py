"""Filtering curves: what each model reaches on the images that are left when the lowest-scored ones are dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from miqd_builder.correlation.pairs import Floats, oriented
from miqd_builder.correlation.ranks import DenseRanks, dense_ranks, level_counts

SHARES = np.linspace(0, 0.7, 15)
"""Shares of the images that are dropped, as in the paper's figure."""


@dataclass(frozen=True)
class FilteringCurves:
    """Mean outcome on the rest, one curve a model.

    Args:
        shares: dropped shares, rising, float64 ``(shares,)``.
        reached: mean outcome of each model on the rest, float64 ``(shares, models)``; NaN where it has no outcome there.
        random: what dropping at random reaches: the mean over all images, whatever the share, float64 ``(models,)``.
        n: images with a value of the measure.
        dropped: images without one; they are in no curve and no mean.
    """

    shares: Floats
    reached: Floats
    random: Floats
    n: int
    dropped: int

    @property
    def areas(self) -> Floats:
        """Area between curve and random by the trapezoidal rule, float64 ``(models,)``: positive where filtering helps.

        In units of outcome times share: a curve that lies .1 above random over shares 0 to .7 has .07.
        """
        return np.asarray(np.trapezoid(self.reached - self.random, self.shares, axis=0), np.float64)


def filtering_curves(
    measure: Floats, outcomes: Floats, *, shares: Floats = SHARES, lower_better: bool = False
) -> FilteringCurves:
    """Drop the lowest-scored share of the images and average the outcomes on the rest.

    For the oracle, give the label itself as the measure. Exactly ``shares * n`` images go: where that number is not whole,
    or cuts through images of equal score, each of the equal ones stays with equal probability and the curve is the expected
    value. So it depends neither on the order of the rows nor on a random draw. An infinity is a value: +inf (PSNR of an
    unchanged image) is dropped last. An image whose measure is null can't be filtered: it is left out and counted.

    Args:
        measure: float ``(images,)``; NaN is a null.
        outcomes: what each model reaches on each image (top-1, per-image AP), float or bool ``(images, models)``; NaN where a
            model has none: its means are over the images where it has one.
        shares: dropped shares, rising, in ``[0, 1)``.
        lower_better: the measure falls as images get better.

    Raises:
        ValueError: the shapes don't fit, or a share is outside ``[0, 1)``.

    >>> curves = filtering_curves(np.array([1.0, 2, 2, 3]), np.array([[0.0], [0], [1], [1]]), shares=np.array([0, 0.25, 0.5]))
    >>> curves.reached[:, 0].round(3).tolist(), curves.random.tolist()
    ([0.5, 0.667, 0.75], [0.5])
    """
    measure, outcomes, shares = oriented(measure, lower_better), np.asarray(outcomes), np.asarray(shares, np.float64)
    if outcomes.ndim != 2 or measure.shape != outcomes.shape[:1]:
        raise ValueError(f"Expected a measure (images,) and outcomes (images, models), got {measure.shape}, {outcomes.shape}.")
    if not ((shares >= 0) & (shares < 1)).all() or (np.diff(shares) < 0).any():
        raise ValueError(f"Expected rising shares in [0, 1), got {shares.tolist()}.")
    ranks = dense_ranks(measure)
    kept = ranks.codes >= 0
    segment_of, stays = _segments(DenseRanks(ranks.codes[kept], ranks.levels), shares)
    sums, counts = np.zeros((2, stays.shape[1], outcomes.shape[1]))
    for model in range(outcomes.shape[1]):
        values = np.asarray(outcomes[kept, model], np.float64)
        known = ~np.isnan(values)
        sums[:, model] = np.bincount(segment_of[known], values[known], stays.shape[1])
        counts[:, model] = np.bincount(segment_of[known], minlength=stays.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        reached, random = (stays @ sums) / (stays @ counts), sums.sum(axis=0) / counts.sum(axis=0)
    return FilteringCurves(shares, reached, random, int(kept.sum()), int((~kept).sum()))


def _segments(ranks: DenseRanks, shares: Floats) -> tuple[np.ndarray, Floats]:
    """Group the levels of the measure between the cuts.

    Returns:
        Segment of each row, and the probability with which a segment's rows stay, ``(shares, segments)``. The level at a cut
        is a segment of its own.
    """
    counts = level_counts(ranks.codes, ranks.levels)
    if not len(counts):
        return np.zeros(0, np.int64), np.zeros((len(shares), 1))
    ends = np.cumsum(counts)
    gone = shares * ends[-1]
    at_cut = np.searchsorted(ends, gone, side="right")
    first = np.unique(np.concatenate([[0], at_cut, at_cut + 1]))
    first = first[first < ranks.levels]
    starts = ends[first] - counts[first]
    stops = np.append(starts[1:], ends[-1])
    stays = np.clip((stops - gone[:, None]) / (stops - starts), 0, 1)
    segment_of = np.searchsorted(first, np.arange(ranks.levels), side="right") - 1
    return segment_of[ranks.codes], np.asarray(stays, np.float64)
