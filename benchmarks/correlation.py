"""Correlations of measures with labels at the size of a whole data set: time, memory, and a naive SciPy loop beside.

    python benchmarks/correlation.py [--sources 500] [--measures 10] [--labels 1] [--subsets all]

Simulated: 250 degraded images a source, rows of a source resemble each other, 2 % of the first measure are infinite, the
labels have as many different values as 25 models give, or are continuous. ``--sources 5000`` is 1.25 million rows;
``--subsets benchmark`` adds the 20 subsets of the benchmark: region, mild, severe, category, distortion. The naive loop calls
SciPy for SRCC, KRCC and PLCC of some draws of whole sources; its time for all draws is projected from them.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from miqd_builder.correlation.draws import draw
from miqd_builder.correlation.filtering import filtering_curves
from miqd_builder.correlation.records import Column, column, correlate, correlate_all

T = TypeVar("T")
EACH = 250
NAIVE_DRAWS = 2
MODELS = 25


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=500)
    parser.add_argument("--measures", type=int, default=10)
    parser.add_argument("--labels", type=int, default=1)
    parser.add_argument("--subsets", choices=["all", "benchmark"], default="all")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    source_of = np.repeat(np.arange(asked.sources, dtype=np.int32), EACH)
    quality = rng.normal(size=asked.sources)[source_of] + rng.normal(size=len(source_of))
    measures = {f"measure_{i}": simulated_measure(rng, quality, source_of, i) for i in range(asked.measures)}
    labels = {f"label_{i}": simulated_label(rng, quality, i) for i in range(asked.labels)}
    subsets = benchmark_subsets(len(source_of)) if asked.subsets == "benchmark" else {"all": np.ones(len(source_of), np.bool_)}
    size = f"{len(source_of):,} rows of {asked.sources:,} sources, {asked.measures} measures x {asked.labels} labels"
    threads = asked.threads or os.cpu_count() or 1
    print(f"{size} x {len(subsets)} subsets, {asked.resamples} draws, {threads} threads")
    warm = np.arange(min(len(source_of), 5 * EACH))
    few = draw(asked.sources, resamples=10)
    timed("compile or load", lambda: correlate(column(measures["measure_0"]), column(quality), source_of, few, warm))
    draws = timed("draws", lambda: draw(asked.sources, resamples=asked.resamples))
    sorted_measures = timed("sort measures", lambda: {name: column(values) for name, values in measures.items()})
    sorted_labels = timed("sort labels", lambda: {name: column(values) for name, values in labels.items()})
    records = timed(
        "records", lambda: list(correlate_all(sorted_measures, sorted_labels, subsets, source_of, draws, threads=threads))
    )
    print(f"{len(records)} records, peak memory of the process {peak_memory():.0f} MB")
    first, label = next(iter(sorted_measures.values())), next(iter(sorted_labels.values()))
    start = time.perf_counter()
    correlate(first, label, source_of, draws)
    ours = time.perf_counter() - start
    naive = naive_seconds(first, label, source_of, rng) * asked.resamples
    print(f"one record, one thread: {ours:.2f} s; SciPy in a loop {naive:.0f} s (projected): {naive / ours:.0f} times as long")
    outcomes = rng.random((len(source_of), MODELS), np.float32) < 0.7
    timed(f"filtering curves, {MODELS} models", lambda: filtering_curves(first.values, outcomes))


def timed(what: str, function: Callable[[], T]) -> T:
    """Print wall and CPU seconds of a call and return its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    print(f"{what:30} {time.perf_counter() - wall:8.2f} s, {time.process_time() - cpu:8.2f} s of CPU")
    return result


def simulated_measure(
    rng: np.random.Generator, quality: NDArray[np.float64], source_of: NDArray[np.int32], index: int
) -> NDArray[np.float64]:
    """A measure that knows the quality with noise of its own, and a bias by source."""
    values = quality + (0.3 + index / 5) * rng.normal(size=len(quality)) + rng.normal(size=source_of[-1] + 1)[source_of]
    if index == 0:
        values[rng.random(len(values)) < 0.02] = np.inf
    return values


def simulated_label(rng: np.random.Generator, quality: NDArray[np.float64], index: int) -> NDArray[np.float64]:
    """Labels in ``[0, 1]``: the first is continuous, every second a share of models that are right."""
    values = 1 / (1 + np.exp(-quality - rng.normal(size=len(quality))))
    return np.round(values * MODELS) / MODELS if index % 2 else values


def benchmark_subsets(rows: int) -> dict[str, NDArray[np.bool_]]:
    """All; 3 regions; mild and severe; 5 categories; 10 distortions."""
    place = np.arange(rows) % EACH
    inside = place % 25
    roi, background = inside // 5 + 1, inside % 5 + 1
    worst = np.maximum(roi, background)
    subsets = {"all": np.ones(rows, np.bool_), "uniform": roi == background, "roi": roi > background}
    subsets |= {"background": roi < background, "mild": worst <= 2, "severe": np.minimum(roi, background) >= 4}
    subsets |= {f"category_{i}": place // 50 == i for i in range(5)}
    return subsets | {f"distortion_{i}": place // 25 == i for i in range(10)}


def naive_seconds(measure: Column, label: Column, source_of: NDArray[np.int32], rng: np.random.Generator) -> float:
    """Seconds a draw of SciPy's three correlations on the rows of drawn sources."""
    x, y = (np.nan_to_num(side.values, posinf=99) for side in (measure, label))
    start = time.perf_counter()
    for _ in range(NAIVE_DRAWS):
        sources = rng.integers(0, source_of[-1] + 1, source_of[-1] + 1)
        rows = (sources[:, None] * EACH + np.arange(EACH)).ravel()
        for function in (scipy.stats.spearmanr, scipy.stats.kendalltau, scipy.stats.pearsonr):
            function(x[rows], y[rows])
    return (time.perf_counter() - start) / NAIVE_DRAWS


def peak_memory() -> float:
    """Largest resident size of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
