"""Do measures know what models would do that nobody asked? Labels of half of the zoo, and of the other half."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from machine_iqa.data.halves import HALVES, zoo_half
from machine_iqa.evaluation.learned import Learned
from machine_iqa.evaluation.pooled import Pooled
from miqd_builder.benchmarking.directions import lower_better
from miqd_builder.benchmarking.subsets import ALL, subset_rows
from miqd_builder.correlation.draws import RESAMPLES, draw
from miqd_builder.correlation.records import column, correlate_all
from miqd_builder.errors import ConfigError


@dataclass(frozen=True, slots=True)
class HeldOutRecord:
    """What a measure knows about the labels of half of the models.

    Attributes:
        task, label: what is compared.
        measure: its name; ``labels of half a`` compares the labels of both halves, what one can hope for.
        half: ``a`` or ``b``.
        models: names of the models of that half.
        n: degraded images.
        srcc, srcc_low, srcc_high: Spearman's rank correlation with its 95 % interval.
    """

    task: str
    label: str
    measure: str
    half: str
    models: tuple[str, ...]
    n: int
    srcc: float
    srcc_low: float
    srcc_high: float


def held_out_records(
    pooled: Pooled, models: Sequence[Learned], *, resamples: int = RESAMPLES, seed: int = 0
) -> Iterator[HeldOutRecord]:
    """Yield a record for each half, label and measure.

    Half a is the models that the first quality model was trained on, if it was trained on half of them; else half of all by
    the hash of their names, as ``label_models: half_a`` of a training takes.

    Args:
        pooled: labels, measures and scores; nothing is yielded where fewer than two models have scores.
        models: the quality models.
        resamples: bootstrap draws.
        seed: of the draws.
    """
    names = sorted(pooled.weights)
    if len(names) < 2:
        return
    halves = _halves(names, pooled.table.task, models)
    try:
        labels = {half: pooled.labels_of(chosen) for half, chosen in halves.items()}
    except ConfigError:  # a run folder has scores of none of them
        return
    table, source_of = pooled.table, pooled.table.source_of
    draws = draw(int(source_of.max()) + 1, resamples=resamples, seed=seed)
    subsets = {ALL: subset_rows(table.rows)[ALL]}
    measures = {name: column(values, lower_better=bool(lower_better(name))) for name, values in table.measures.items()}
    for half in HALVES:
        for label, values in labels[half].items():
            compared = dict(measures)
            if half == "b":
                compared["labels of half a"] = column(labels["a"][label])
            for record in correlate_all(compared, {label: column(values)}, subsets, source_of, draws):
                srcc = record.correlation.srcc
                chosen = tuple(halves[half])
                yield HeldOutRecord(
                    table.task, label, record.measure, half, chosen, record.correlation.n, srcc.value, srcc.low, srcc.high
                )


def _halves(names: Sequence[str], task: str, models: Sequence[Learned]) -> dict[str, list[str]]:
    for model in models:
        if model.training.get("label_models", "all") != "all":
            first = sorted(set(names) & set(model.training["labelled_by"].get(task, ())))
            if first and len(first) < len(names):
                return {"a": first, "b": sorted(set(names) - set(first))}
    return {half: zoo_half(names, half) for half in HALVES}
