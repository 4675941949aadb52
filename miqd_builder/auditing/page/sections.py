"""The evidence: which statistics stand where in the report, and how each is drawn."""

from __future__ import annotations

from miqd_builder.auditing.document import AgainstTask, Record, Statistic, TaskDocument
from miqd_builder.auditing.page.answer import by_harm, models_by_loss
from miqd_builder.auditing.page.blocks import Block, Drawn, Section, Spec, section, statistic_block
from miqd_builder.auditing.page.drawings import all_marks, difference_curves, grids, marked, model_matrix, severity_curves
from miqd_builder.auditing.page.machine_drawings import calibration_curves, detection_errors, rate_curves, satisfied_machines
from miqd_builder.auditing.page.numbers import keys_of, plain
from miqd_builder.auditing.page.scale import Scale

LABELS, FIGURES = ("consistency", "accuracy"), ("P", "mPC", "rPC", "consistency")
DIFFERENCES = ("overall_difference", "distortion_difference", "region_difference", "models_difference", "severity_difference")
"""Of two runs, in the order of the page."""

HOLLOW = "A hollow dot: its interval includes 0."


def _overall(record: Record) -> bool:
    return record.distortion is None


def _from_the_worst(of: TaskDocument, statistic: Statistic) -> Drawn:
    """Differences between the most harmful distortion and each other one."""
    worst = next(iter(by_harm(of)), "")
    words = f"Drawn: those of the most harmful distortion, {plain(worst)}. {HOLLOW}"
    draw = marked("distortion", "other", labels=LABELS, only=lambda r: worst in (r.distortion, r.other), words=words)
    return draw(of, statistic)


def _from_the_best(of: TaskDocument, statistic: Statistic) -> Drawn:
    """Differences between the model that suffers least and each other one."""
    best = next((record.model for record in models_by_loss(of)), None)
    words = f"Drawn: those of the model that suffers least, {best}. {HOLLOW}"
    draw = marked("model", "other", labels=FIGURES, only=lambda r: best in (r.model, r.other), words=words)
    return draw(of, statistic)


def _corruption_errors(of: TaskDocument, statistic: Statistic) -> Drawn:
    """Mean corruption errors by model; where there are none, those of the distortions."""
    if any(record.distortion is None for record in statistic.records):
        return marked("model", labels=("mCE", "relative_mCE"), only=_overall, zero=True)(of, statistic)
    return marked("model", "distortion", zero=True)(of, statistic)


HOW_MUCH = (
    Spec(("severity", "severity_decline", "psnr"), severity_curves),
    Spec(("distortion_decline", "distortion"), marked("distortion", labels=LABELS, harm=True, zero=True, words=HOLLOW)),
    Spec(("category_decline", "category"), marked("category", labels=LABELS, zero=True, words=HOLLOW)),
    Spec(("distortion_difference",), _from_the_worst),
)
WHERE = (
    Spec(("grid", "grid_decline"), grids),
    Spec(
        ("region_difference",),
        marked(
            "distortion",
            labels=LABELS,
            harm=True,
            words=f"Left of 0: degrading the object (ROI) hurts more than degrading the background. {HOLLOW}",
        ),
    ),
    Spec(("region", "region_decline"), marked("region", labels=LABELS, only=_overall)),
)
WHICH = (
    Spec(("models",), marked("model", labels=FIGURES, falling="consistency")),
    Spec(("models_ap",), marked("model", labels=("P", "mPC", "rPC"), falling="mPC")),
    Spec(("model_difference",), _from_the_best),
    Spec(("model_severity", "model_severity_decline"), model_matrix),
    Spec(("mce",), _corruption_errors),
    Spec(("effective_robustness",), marked("model", words=HOLLOW, zero=True)),
    Spec(("distortion_models",), marked("distortion", labels=LABELS, harm=True)),
)
MACHINES = (
    Spec(("smr",), satisfied_machines),
    Spec(("jnd",), marked("distortion", series="threshold", only=lambda r: r.quantile is None, harm=True, zero=True)),
    Spec(("jnd_models",), marked("model", series="threshold", zero=True)),
    Spec(("rate",), rate_curves),
    Spec(("bd_rate",), marked("distortion", "other", labels=LABELS, words=HOLLOW)),
    Spec(("rate_at_smr",), marked("distortion", "threshold", series="quantile", harm=True, zero=True)),
)
ERRORS = (
    Spec(("error_types",), detection_errors),
    Spec(("error_types_difference",), marked("distortion", series="error", harm=True, words=HOLLOW)),
)
TRUST = (
    Spec(("noise_ceiling",), marked()),
    Spec(("agreement",), marked("model", "other")),
    Spec(("error_consistency",), marked("model", "other", words=HOLLOW)),
    Spec(("violations",), marked("distortion", harm=True, zero=True)),
    Spec(("calibration",), calibration_curves),
)
SECTIONS = (
    ("How much it hurts", "how-much", HOW_MUCH),
    ("Where it hurts", "where", WHERE),
    ("Which models", "models", WHICH),
    ("For users of codecs and cameras", "machines", MACHINES),
    ("Errors of the detections", "errors", ERRORS),
    ("How far the labels can be trusted", "trust", TRUST),
)


def sections(of: TaskDocument) -> list[Section]:
    """Return the evidence of a task; statistics that no section knows come last, with all of their values."""
    known = {name for _, _, specs in SECTIONS for spec in specs for name in spec.names} | {"extremes"}
    names = dict.fromkeys((*of.statistics, *(name.partition(".")[0] for name in of.absent)))
    others = tuple(Spec((name,)) for name in names if name not in known)
    groups = [*SECTIONS, *([("More", "more", others)] if others else [])]
    found = [section(of, title, slug, specs) for title, slug, specs in groups]
    return [one for one in found if one.blocks or one.missing]


def against_blocks(of: AgainstTask) -> list[Block]:
    """Return the paired differences of a task between two runs, each drawn with its intervals; the overall one first."""
    ranked = sorted(of.statistics, key=lambda name: DIFFERENCES.index(name) if name in DIFFERENCES else len(DIFFERENCES))
    return [statistic_block(of.statistics[name], _difference(of.statistics[name])) for name in ranked]


def _difference(statistic: Statistic) -> Drawn:
    """Curves of differences by severity; other differences as marks."""
    keys = keys_of(statistic)
    if keys == ["distortion", "severity"]:
        names = dict.fromkeys(r.distortion for r in statistic.records if r.distortion is not None)
        return difference_curves(statistic, list(names), Scale.around(statistic.records, zero=True))
    return all_marks(statistic, keys, words=HOLLOW)
