"""Rate curves of codecs: how many bits an image needs so that models see in it what they saw before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from miqd_builder.auditing.document import Record
from miqd_builder.auditing.found import NO_SCORES, NO_TRUTH, Found
from miqd_builder.auditing.label_means import LABELS, LabelMeans
from miqd_builder.auditing.machine_ratio import MachineRatio
from miqd_builder.auditing.rate_curves import RateCurve, bd_rate
from miqd_builder.auditing.resampling import DrawnSums, Floats, Ints, Resampling, placed, ratio, record
from miqd_builder.auditing.task_rows import TaskFacts
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.views import files_sql, open_database

NO_CODEC = "the run has no image of a codec: degradations such as 'codec_*'"
ONE_CODEC = "the run has one codec"
NO_OVERLAP = "the codecs' curves have no quality in common"
NOT_REACHED = "no codec's curve reaches or falls below these shares"
QUALITIES = ("consistency", "accuracy")
SATISFIED = (0.5, 0.75, 0.9)
CURVE_RESAMPLES = 200
SOURCES_AT_ONCE = 500
LEVELS = "quality levels of the codec suite, 1 the best"

_COLUMNS = "select column_name from (describe select * from {variants})"
_VALUES = """
    select s.source, c.cell, v.bits_per_pixel
    from {variants} v join sources s using (source_id) join cells c using (degradation)
    where v.bits_per_pixel is not null order by s.source, c.cell
"""


def rates(folder: RunFolder, facts: TaskFacts, labels: LabelMeans, ratios: MachineRatio) -> Found:
    """Return ``rate``, ``bd_rate`` and ``rate_at_smr``.

    Args:
        folder: the run folder.
        facts: of the task.
        labels: mean labels by degradation.
        ratios: satisfied machine ratios by uniform degradation.
    """
    found, resampling = Found(), labels.resampling
    bits = _bits(folder, facts, resampling)
    if bits is None:
        found.absent |= dict.fromkeys(("rate", "bd_rate", "rate_at_smr"), NO_CODEC)
        return found
    known = bits.count[0, :, 0] > 0
    codecs = {name: codes[known[codes]] for name in facts.cells.distortions for codes in [facts.cells.uniform_of(name)]}
    codecs = {name: codes for name, codes in codecs.items() if len(codes)}
    rate = ratio(bits.total, bits.count)[..., 0]
    found.add(
        "rate",
        _levels(facts, codecs, labels, bits, rate),
        title="Bits per pixel and labels of codecs",
        definition="Mean bits per pixel, consistency and accuracy of the images of one codec at one quality level.",
        unit="bits per pixel; score",
        severities=LEVELS,
        interval=resampling.text(),
        why_not=NO_CODEC,
        labels=("bits_per_pixel", *QUALITIES),
    )
    few = slice(0, min(resampling.resamples, CURVE_RESAMPLES) + 1)
    interval = f"percentile bootstrap over source images, {few.stop - 1} draws"
    found.add(
        "bd_rate",
        _bd_rates(codecs, labels, bits, rate[few]),
        title="BD-rate between codecs",
        definition="How many per cent more bits the first codec takes than the other for the same label, over the labels that "
        "both reach; after a monotone fit, with PCHIP.",
        unit="per cent",
        severities=LEVELS,
        baseline="the other codec",
        interval=interval,
        why_not=ONE_CODEC if len(codecs) < 2 else NO_OVERLAP,
        labels=QUALITIES,
        why_no_label=NO_TRUTH if not facts.rows_with_accuracy else NO_OVERLAP,
    )
    found.add(
        "rate_at_smr",
        _rates_at(facts, codecs, ratios, bits, rate[few]),
        title="Bits per pixel at which models are satisfied",
        definition="Bits per pixel at which the satisfied machine ratio is 50, 75 and 90 % (quantile), after a monotone fit.",
        unit="bits per pixel",
        severities=LEVELS,
        interval=interval,
        why_not=NOT_REACHED if facts.models else NO_SCORES,
    )
    return found


def _bits(folder: RunFolder, facts: TaskFacts, resampling: Resampling) -> DrawnSums | None:
    """Bits per pixel by cell; None where no image has any."""
    numbers = {name.rsplit("/", 1)[1] for name in facts.parts}
    names = [name for name in folder.list("variants/*.parquet") if name.rsplit("/", 1)[1] in numbers]
    if not names:
        return None
    with open_database(folder) as database:
        variants = files_sql(folder, names, "union_by_name=true")
        columns = {str(row[0]) for row in database.execute(_COLUMNS.format(variants=variants)).fetchall()}
        if "bits_per_pixel" not in columns:
            return None
        database.register("sources", _coded("source_id", "source", facts.source_ids))
        database.register("cells", _coded("degradation", "cell", [cell.degradation for cell in facts.cells.all]))
        rows: Any = database.execute(_VALUES.format(variants=variants)).fetchnumpy()
    sums = DrawnSums(resampling, len(facts.cells), 1)
    sources = np.unique(rows["source"])
    for chunk in np.split(sources, range(SOURCES_AT_ONCE, len(sources), SOURCES_AT_ONCE)):
        own = np.isin(rows["source"], chunk)
        places = (np.searchsorted(chunk, rows["source"][own]), rows["cell"][own])
        total, count = placed((len(chunk), len(facts.cells)), places, rows["bits_per_pixel"][own])
        sums.add(chunk, total[..., None], count[..., None])
    return sums if len(rows["source"]) else None


def _coded(key: str, code: str, values: Sequence[str]) -> pa.Table:
    return pa.table({key: pa.array(values, pa.string()), code: pa.array(range(len(values)), pa.int64())})


def _levels(
    facts: TaskFacts, codecs: dict[str, Ints], labels: LabelMeans, bits: DrawnSums, rate: Floats
) -> Iterator[Record | None]:
    for name, codes in codecs.items():
        for code in codes:
            cell = facts.cells.all[code]
            keys = {"distortion": name, "category": cell.category, "severity": cell.roi_severity}
            n, sources = bits.count[0, code, 0], int(bits.known[:, code, 0].sum())
            yield record(rate[:, code], n=n, sources=sources, label="bits_per_pixel", **keys)
            one = np.array([code])
            means, (rows, of_label) = labels.means(one), labels.extent(one)
            for label in QUALITIES:
                index = LABELS.index(label)
                yield record(means[:, index], n=rows[index], sources=int(of_label[index]), label=label, **keys)


def _curves(rate: Floats, quality: Floats) -> list[RateCurve | None]:
    """The curve of every draw."""
    return [RateCurve.fit(x, y) for x, y in zip(rate, quality, strict=True)]


def _bd_rates(codecs: dict[str, Ints], labels: LabelMeans, bits: DrawnSums, rate: Floats) -> Iterator[Record | None]:
    for label in QUALITIES:
        index = LABELS.index(label)
        means = ratio(labels.values.total[: len(rate), :, index], labels.values.count[: len(rate), :, index])
        curves = {name: _curves(rate[:, codes], means[:, codes]) for name, codes in codecs.items()}
        for one, other in combinations(codecs, 2):
            drawn = np.array([bd_rate(a, b) for a, b in zip(curves[one], curves[other], strict=True)])
            both = np.concatenate([codecs[one], codecs[other]])
            sources = int(bits.known[:, both, 0].any(axis=1).sum())
            n = bits.count[0, both, 0].sum()
            yield record(drawn, n=n, sources=sources, difference=True, label=label, distortion=one, other=other)


def _rates_at(
    facts: TaskFacts, codecs: dict[str, Ints], ratios: MachineRatio, bits: DrawnSums, rate: Floats
) -> Iterator[Record | None]:
    if not facts.models:
        return
    satisfied = ratio(ratios.values.total[: len(rate)], ratios.values.count[: len(rate)])
    for index, threshold in enumerate(ratios.thresholds):
        for name, codes in codecs.items():
            curves = _curves(rate[:, codes], satisfied[:, facts.cells.places[codes], index])
            for share in SATISFIED:
                drawn = np.array([np.nan if curve is None else curve.rate_at(share) for curve in curves])
                yield record(
                    drawn,
                    n=bits.count[0, codes, 0].sum(),
                    sources=int(bits.known[:, codes, 0].any(axis=1).sum()),
                    label="bits_per_pixel",
                    distortion=name,
                    category=facts.cells.categories[name],
                    threshold=threshold,
                    quantile=share,
                )
