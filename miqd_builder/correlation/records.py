"""All coefficients of a measure and a label with their intervals, for one subset or for all of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from miqd_builder.correlation.bootstrap import drawn_linear_statistics, drawn_rank_correlations, moved
from miqd_builder.correlation.coefficients import kendall_of, pearson_of, rmse, spearman_of
from miqd_builder.correlation.draws import Draws, interval
from miqd_builder.correlation.logistic import Fit, fit_ranked
from miqd_builder.correlation.pairs import Floats, bounded, known_pairs, oriented
from miqd_builder.correlation.ranks import Codes, DenseRanks, compacted, dense_ranks, level_counts

NAN = float("nan")


@dataclass(frozen=True)
class Column:
    """A measure or a label, sorted once for all the subsets and partners that it is compared with.

    Args:
        values: float64 ``(rows,)``, more is better; NaN is a null.
        ranks: its dense ranks.
    """

    values: Floats
    ranks: DenseRanks


@dataclass(frozen=True)
class Estimate:
    """A statistic of the sample with its 95 % interval; NaN where undefined."""

    value: float
    low: float = NAN
    high: float = NAN


@dataclass(frozen=True)
class Correlation:
    """What a measure knows about a label.

    Args:
        n: rows compared.
        dropped: rows left out because the measure or the label is null.
        srcc: Spearman's rank correlation.
        plcc: Pearson's correlation after the fit, at least 0.
        plcc_raw: Pearson's correlation.
        krcc: Kendall's tau-b.
        rmse: root mean squared error after the fit, in units of the label.
        fit: the curve from measure to label.
    """

    n: int
    dropped: int
    srcc: Estimate
    plcc: Estimate
    plcc_raw: Estimate
    krcc: Estimate
    rmse: Estimate
    fit: Fit


@dataclass(frozen=True)
class Record:
    """The correlation of one measure with one label in one subset."""

    label: str
    measure: str
    subset: str
    correlation: Correlation


def column(values: Floats, *, lower_better: bool = False) -> Column:
    """Prepare a measure or a label.

    Args:
        values: float ``(rows,)``; NaN is a null, an infinity a value.
        lower_better: the measure falls as images get better: its sign is turned, so that a good measure correlates positively.
    """
    values = oriented(values, lower_better)
    return Column(values, dense_ranks(values))


def correlate(
    measure: Column, label: Column, source_of: Codes, draws: Draws, rows: NDArray[np.integer] | None = None
) -> Correlation:
    """Compare a measure with a label.

    Args:
        measure: from :func:`column`.
        label: from :func:`column`, of the same rows.
        source_of: index of each row's source, int32 ``(rows,)``.
        draws: resamples of the sources, from :func:`miqd_builder.correlation.draws.draw`.
        rows: places of the rows to compare; all if None.

    Returns:
        The coefficients. Intervals are NaN if the rows come from fewer than two sources.

    Raises:
        ValueError: columns of different lengths, or a source that was not drawn from.
    """
    _check(measure, label, source_of, draws)
    rows = np.arange(len(source_of)) if rows is None else rows
    known = known_pairs(measure.values[rows], label.values[rows])
    kept = rows[known]
    x, y, sources = bounded(measure.values[kept]), bounded(label.values[kept]), source_of[kept].astype(np.int32, copy=False)
    a, b = (compacted(side.ranks.codes[kept], side.ranks.levels) for side in (measure, label))
    tied = (a.codes, level_counts(a.codes, a.levels), b.codes, level_counts(b.codes, b.levels))
    srcc, krcc, plcc_raw = spearman_of(*tied), kendall_of(*tied), pearson_of(x, y)
    fit = fit_ranked(x, y, a)
    fitted = fit(x)
    values = (srcc, krcc, pearson_of(fitted, y), plcc_raw, rmse(fitted, y))
    drawn: list[Floats] = [np.array([])] * len(values)
    if len(kept) and sources.min() != sources.max():
        drawn_srcc, drawn_krcc = drawn_rank_correlations(a, b, sources, draws)
        drawn = [moved(drawn_srcc, srcc), moved(drawn_krcc, krcc), *drawn_linear_statistics(x, y, fitted, sources, draws)]
    found = [_estimate(value, draw) for value, draw in zip(values, drawn, strict=True)]
    return Correlation(len(kept), len(rows) - len(kept), found[0], found[2], found[3], found[1], found[4], fit)


def correlate_all(
    measures: Mapping[str, Column],
    labels: Mapping[str, Column],
    subsets: Mapping[str, NDArray[np.bool_]],
    source_of: Codes,
    draws: Draws,
    *,
    threads: int | None = None,
) -> Iterator[Record]:
    """Compare every measure with every label in every subset.

    Args:
        measures: by name, all of the same rows.
        labels: by name, of the same rows.
        subsets: by name, which rows belong to each, bool ``(rows,)``.
        source_of: index of each row's source, int32 ``(rows,)``.
        draws: resamples of the sources, the same for all.
        threads: comparisons at once; one for each core if None. The results don't depend on it.

    Yields:
        One record each, by label, then measure, then subset.
    """
    places = {name: np.flatnonzero(rows) for name, rows in subsets.items()}
    wanted = list(itertools.product(labels, measures, subsets))

    def record(names: tuple[str, str, str]) -> Record:
        label, measure, subset = names
        return Record(label, measure, subset, correlate(measures[measure], labels[label], source_of, draws, places[subset]))

    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        yield from pool.map(record, wanted)


def _estimate(value: float, drawn: Floats) -> Estimate:
    return Estimate(value) if np.isnan(value) else Estimate(value, *interval(drawn))


def _check(measure: Column, label: Column, source_of: Codes, draws: Draws) -> None:
    # The compiled loops look at no bounds.
    lengths = {len(measure.values), len(label.values), len(source_of)}
    if len(lengths) > 1:
        raise ValueError(f"Expected measure, label and sources of the same rows, got the lengths {sorted(lengths)}.")
    if len(source_of) and not 0 <= source_of.min() <= source_of.max() < draws.sources:
        raise ValueError(f"Expected sources from 0 to {draws.sources - 1}, got {source_of.min()} to {source_of.max()}.")
