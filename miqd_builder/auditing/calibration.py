"""Calibration of classifiers: whether the probability of the first class is the share of right answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from miqd_builder.auditing.document import Record
from miqd_builder.auditing.error_consistency import NOT_CLS
from miqd_builder.auditing.found import NO_SCORES, NO_TRUTH, Found
from miqd_builder.auditing.resampling import Floats, Resampling, ratio, record
from miqd_builder.auditing.sample import Sample, draw_sample
from miqd_builder.auditing.task_rows import TaskFacts
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.schema import ORIGINAL
from miqd_builder.tables.views import files_sql, open_database

BINS = 15
MOST_RESPONSES = 200_000
NO_RESPONSES = "the run has no responses of this task"

_MODEL = "regexp_extract(filename, '/model=([^/]*)/[^/]*$', 1)"
_VALUES = f"""
    select s.place, m.model, c.severity, least({BINS - 1}, greatest(0, ceil(r.confidence * {BINS})::integer - 1)) as bin,
           sum(r.confidence) as confidence, sum(f.accuracy) as accuracy, count(*)::double as n
    from (select {_MODEL} as name, source_id, degradation, top_probs[1]::double as confidence from {{responses}}) r
    join (select {_MODEL} as name, source_id, degradation, accuracy from {{scores}}) f using (name, source_id, degradation)
    join sources s using (source_id) join severities c using (degradation) join models m using (name)
    where f.accuracy is not null group by all
"""


def calibration(folder: RunFolder, facts: TaskFacts, *, resamples: int, seed: int) -> Found:
    """Return ``calibration``.

    Args:
        folder: the run folder.
        facts: of the task.
        resamples: bootstrap draws.
        seed: of the sample and the draws.
    """
    found = Found()
    if facts.task != "cls" or not facts.models:
        found.absent["calibration"] = NO_SCORES if facts.task == "cls" else NOT_CLS
        return found
    a_source = (len(facts.cells.uniform) + 1) * len(facts.models)
    sample = draw_sample(folder, facts, most_sources=MOST_RESPONSES // a_source, seed=seed)
    resampling = Resampling.draw(len(sample.source_ids), 0, resamples=resamples, seed=seed)
    sums = _sums(folder, facts, sample)
    extra = {} if sample.text is None else {"sample": sample.text}
    found.add(
        "calibration",
        _records(facts, sums, resampling) if sums is not None else (),
        title="Calibration",
        definition=f"Expected calibration error of the first class: |accuracy - mean probability| of the responses in each of "
        f"{BINS} equal bins of probability, weighted by their number; mean over the models, and of each model.",
        unit="share",
        severities="uniform severities of all distortions together; severity 0: the originals",
        interval=resampling.text(),
        why_not=NO_RESPONSES if sums is None else NO_TRUTH,
        **extra,
    )
    return found


def _sums(folder: RunFolder, facts: TaskFacts, sample: Sample) -> Floats | None:
    """Sums of probability, of accuracy and number, ``(sources, models, severities, bins, 3)``; None without responses."""
    folders = {table: f"{table}/task={facts.task}/model=" for table in ("responses", "scores")}
    pairs = [(model, file) for model in facts.models for file in sample.parts]
    names = {
        table: [f"{start}{model}/{file}" for model, file in pairs if folder.exists(f"{start}{model}/{file}")]
        for table, start in folders.items()
    }
    if not names["responses"] or not names["scores"]:
        return None
    cells = [{"degradation": ORIGINAL, "severity": 0}]
    cells += [
        {"degradation": facts.cells.all[c].degradation, "severity": facts.cells.all[c].roi_severity}
        for c in facts.cells.uniform
    ]
    severities = 1 + max(int(str(cell["severity"])) for cell in cells)
    with open_database(folder) as database:
        database.register("severities", pa.Table.from_pylist(cells))
        database.register("sources", _codes("source_id", "place", sample.source_ids))
        database.register("models", _codes("name", "model", facts.models))
        files = {table: files_sql(folder, parts, "filename=true") for table, parts in names.items()}
        # Sums of floats are the same to the last bit only in one order.
        database.execute("set threads = 1")
        rows = database.execute(_VALUES.format(**files)).fetchnumpy()
    sums = np.zeros((len(sample.source_ids), len(facts.models), severities, BINS, 3))
    places = tuple(rows[name] for name in ("place", "model", "severity", "bin"))
    for index, name in enumerate(("confidence", "accuracy", "n")):
        sums[(*places, index)] = rows[name]
    return sums


def _codes(key: str, code: str, values: tuple[str, ...]) -> pa.Table:
    return pa.table({key: pa.array(values, pa.string()), code: pa.array(range(len(values)), pa.int64())})


def _records(facts: TaskFacts, sums: Floats, resampling: Resampling) -> Iterator[Record | None]:
    places = np.arange(len(sums))
    for severity in range(sums.shape[2]):
        own = sums[:, :, severity]
        drawn = resampling.sums(places, own)
        n = drawn[..., 2].sum(axis=-1)
        errors = ratio(np.abs(drawn[..., 0] - drawn[..., 1]).sum(axis=-1), n)
        rows, known = own[..., 2].sum(axis=(0, 2)), np.sum(own[..., 2], axis=2) > 0
        mean = ratio(np.nan_to_num(errors).sum(axis=1), (~np.isnan(errors)).sum(axis=1).astype(np.float64))
        yield record(mean, n=rows.sum(), sources=int(known.any(axis=1).sum()), label="ece", severity=severity)
        for index, model in enumerate(facts.models):
            sources = int(known[:, index].sum())
            yield record(errors[:, index], n=rows[index], sources=sources, label="ece", severity=severity, model=model)
