"""The audit of a run: all statistics of all its tasks as one document."""

from __future__ import annotations

from collections.abc import Sequence

from miqd_builder.auditing.against import compare_runs
from miqd_builder.auditing.agreement import agreement
from miqd_builder.auditing.calibration import calibration
from miqd_builder.auditing.detection_figures import detection_figures
from miqd_builder.auditing.document import RESAMPLES, AuditDocument, ModelFacts, TaskDocument
from miqd_builder.auditing.error_consistency import ErrorConsistency
from miqd_builder.auditing.extremes import extremes
from miqd_builder.auditing.found import Found
from miqd_builder.auditing.groups import by_group
from miqd_builder.auditing.jnd import MachineJnd
from miqd_builder.auditing.label_means import LabelMeans
from miqd_builder.auditing.machine_ratio import MachineRatio
from miqd_builder.auditing.model_means import ModelMeans
from miqd_builder.auditing.model_sets import ModelSets, chosen_sets, model_sets
from miqd_builder.auditing.models import by_model
from miqd_builder.auditing.provenance import model_hashes, run_facts
from miqd_builder.auditing.rate import rates
from miqd_builder.auditing.resampling import CONFIDENCE, Resampling
from miqd_builder.auditing.robustness import check_baseline, robustness
from miqd_builder.auditing.severity import by_severity, psnr
from miqd_builder.auditing.task_rows import TaskFacts, blocks, task_facts
from miqd_builder.auditing.violations import Violations
from miqd_builder.errors import StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import labelled_tasks


def audit_run(
    folder: RunFolder,
    *,
    tasks: Sequence[str] | None = None,
    baseline: str | None = None,
    against: RunFolder | None = None,
    models: Sequence[str] | None = None,
    against_models: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> AuditDocument:
    """Compute all statistics of a run's labels, scores and responses.

    Args:
        folder: the run folder.
        tasks: which tasks; None for all that have labels.
        baseline: model that mean corruption errors are taken against.
        against: another run, to compare this one with.
        models: globs of models to compare with others; None for all but the others.
        against_models: globs of these others; None compares none.
        resamples: bootstrap draws.
        seed: of the draws and samples.

    Raises:
        ConfigError: no task has the baseline model, or a glob matches no model.
        StoreError: there are no labels, a part is damaged, or the other run has no labels of these tasks.
    """
    chosen = list(tasks) if tasks else labelled_tasks(folder)
    if not chosen:
        raise StoreError(f"'{folder.url}' has no labels yet: run 'miqd label --task det' (or cls, ins, seg) first.")
    facts = {task: task_facts(folder, task) for task in chosen}
    known_models = {task: known.models for task, known in facts.items()}
    check_baseline(baseline, known_models)
    sets = chosen_sets(models, against_models, known_models)
    return AuditDocument(
        confidence=CONFIDENCE,
        resamples=resamples,
        seed=seed,
        baseline_model=baseline,
        run=run_facts(folder, [name for known in facts.values() for name in known.parts]),
        tasks={
            task: audit_task(folder, known, baseline=baseline, sets=sets, resamples=resamples, seed=seed)
            for task, known in facts.items()
        },
        against=None if against is None else compare_runs(folder, facts, against, resamples=resamples, seed=seed),
    )


def audit_task(
    folder: RunFolder, facts: TaskFacts, *, baseline: str | None, sets: ModelSets | None, resamples: int, seed: int
) -> TaskDocument:
    """Compute the statistics of one task.

    Args:
        folder: the run folder.
        facts: of the task.
        baseline: model that corruption errors are taken against.
        sets: models that are compared with each other.
        resamples: bootstrap draws.
        seed: of the draws and samples.
    """
    resampling = Resampling.draw(len(facts.source_ids), len(facts.models), resamples=resamples, seed=seed)
    labels, models = LabelMeans(facts, resampling), ModelMeans(facts, resampling)
    ratios = MachineRatio(facts, resampling)
    others = (ratios, *(kind(facts, resampling) for kind in (MachineJnd, Violations, ErrorConsistency)))
    for block in blocks(folder, facts):
        for collector in (labels, models, *others):
            collector.collect(block)
    found = Found()
    for part in (
        by_severity(labels),
        psnr(folder, facts.task),
        by_group(labels),
        by_model(models),
        robustness(models, baseline),
        model_sets(models, sets, seed=seed),
        *(collector.found() for collector in others),
        agreement(folder, facts, resamples=resamples, seed=seed),
        calibration(folder, facts, resamples=resamples, seed=seed),
        detection_figures(folder, facts, resamples=resamples, seed=seed),
        rates(folder, facts, labels, ratios),
        extremes(folder, facts.task),
    ):
        found.merge(part)
    hashes = model_hashes(folder, facts.task)
    return TaskDocument(
        recipe=facts.recipe,
        consistency_share=facts.share,
        rows=facts.rows,
        sources=len(facts.source_ids),
        rows_with_accuracy=facts.rows_with_accuracy,
        incomplete_rows=facts.incomplete_rows,
        models=tuple(
            ModelFacts(name=name, weight=float(weight), content_hash=hashes.get(name))
            for name, weight in zip(facts.models, facts.weights, strict=True)
        ),
        distortions=facts.cells.facts,
        statistics=found.statistics,
        absent=found.absent,
    )
