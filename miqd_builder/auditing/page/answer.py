"""The answer in three sentences: what hurts, where, and which model, from the numbers with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from miqd_builder.auditing.document import AgainstTask, Record, TaskDocument
from miqd_builder.auditing.page.numbers import plain, with_interval


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the answer: the question in two words, and the answer."""

    question: str
    words: Markup


def answer(of: TaskDocument) -> list[Sentence]:
    """Return the three sentences of a task."""
    return [
        Sentence("What hurts", _what(of)),
        Sentence("Where", _where(of)),
        Sentence("Which model", _which(of)),
    ]


def against_words(of: AgainstTask) -> Markup:
    """Return one sentence on how a task's labels differ from those of another run."""
    overall = of.statistics.get("overall_difference")
    if overall is None:
        return Markup("Not known: {}.").format(of.absent.get("overall_difference", "no difference was computed"))
    said = [
        Markup("mean {} differs by {}, {}").format(r.label, with_interval(r, "score"), _verdict(r)) for r in overall.records
    ]
    return Markup("On the {} shared images, this run less the other: {}.").format(f"{of.rows:,}", Markup("; ").join(said))


def leading_label(of: TaskDocument) -> str:
    """Return the label that the answer is about: accuracy where its decline is known for all distortions, else consistency."""
    records = of.statistics["distortion_decline"].records if "distortion_decline" in of.statistics else ()
    names = {label: {r.distortion for r in records if r.label == label} for label in ("accuracy", "consistency")}
    return "accuracy" if names["accuracy"] and names["accuracy"] >= names["consistency"] else "consistency"


def by_harm(of: TaskDocument) -> list[str]:
    """Return the distortions, most harmful first: by the decline of the leading label, else as they are listed."""
    declines = _records(of, "distortion_decline", leading_label(of))
    ranked = [r.distortion for r in sorted(declines, key=lambda r: -r.value) if r.distortion is not None]
    return ranked + [fact.name for fact in of.distortions if fact.name not in ranked]


def models_by_loss(of: TaskDocument) -> list[Record]:
    """Return rPC of the models, highest first; their consistency where rPC isn't known of all."""
    of_label = {label: _records(of, "models", label) for label in ("rPC", "consistency")}
    label = "rPC" if len(of_label["rPC"]) >= len(of_label["consistency"]) else "consistency"
    return sorted(of_label[label], key=lambda record: -record.value)


def _what(of: TaskDocument) -> Markup:
    label = leading_label(of)
    ranked = sorted(_records(of, "distortion_decline", label), key=lambda r: -r.value)
    if not ranked:
        return _unknown(of, "distortion_decline")
    worst, least = ranked[0], ranked[-1]
    if worst.excludes_zero is False:
        return Markup(
            "<b>Nothing</b> hurts for certain: the largest decline of mean {} against the originals, under {}, is {}."
        ).format(label, _name(worst), _per_cent(worst))
    falls = Markup("mean {} falls by {} against the originals").format(label, _per_cent(worst))
    if len(ranked) == 1:
        return Markup("Under <b>{}</b>, the run's only distortion, {}.").format(_name(worst), falls)
    said = Markup("<b>{}</b> hurts most: {}").format(_name(worst).capitalize(), falls)
    if len(ranked) > 2:
        near = _difference(of, "distortion_difference", label, "distortion", worst.distortion, ranked[1].distortion)
        more = "more" if near is not None and near.excludes_zero else "not certainly more"
        said += Markup(", {} than under the next, {} (the difference {})").format(more, _name(ranked[1]), _verdict(near))
    apart = _difference(of, "distortion_difference", label, "distortion", worst.distortion, least.distortion)
    said += Markup(". <b>{}</b> hurts least: {} (the difference from {} {}).").format(
        _name(least).capitalize(), _per_cent(least), _name(worst), _verdict(apart)
    )
    return said if _same_severities(of) else said + " The distortions have different severities in this run: compare with care."


def _same_severities(of: TaskDocument) -> bool:
    """Tell whether all distortions were degraded uniformly at the same severities."""
    found: dict[str | None, set[int | None]] = {}
    for record in of.statistics["severity"].records if "severity" in of.statistics else ():
        found.setdefault(record.distortion, set()).add(record.severity)
    return all(severities == next(iter(found.values())) for severities in found.values())


def _where(of: TaskDocument) -> Markup:
    label = leading_label(of)
    if not any(r.distortion is None for r in _records(of, "region_difference", label)):
        label = "consistency"
    overall = next((r for r in _records(of, "region_difference", label) if r.distortion is None), None)
    if overall is None:
        return _unknown(of, "region_difference")
    number = Markup("difference in mean {}, ROI less background, {}").format(label, with_interval(overall, "score"))
    if overall.excludes_zero is None:
        return Markup("Not certain whether the object (ROI) or the background matters more: {}, without an interval.").format(
            number
        )
    if not overall.excludes_zero:
        return Markup("<b>Neither</b> the object (ROI) nor the background can be told to matter more: {}, includes 0.").format(
            number
        )
    part, other = ("object (ROI)", "background") if overall.value < 0 else ("background", "object (ROI)")
    each = [r for r in _records(of, "region_difference", label) if r.distortion is not None]
    most = (min if overall.value < 0 else max)(each, key=lambda r: r.value, default=None)
    said = Markup("Degrading the <b>{}</b> hurts more than degrading the {} as much: {}, excludes 0").format(
        part, other, number
    )
    if most is not None:
        said += Markup("; most so under {}, {}").format(_name(most), with_interval(most, "score"))
    return said + Markup(".")


def _which(of: TaskDocument) -> Markup:
    ranked = models_by_loss(of)
    if not ranked:
        return _unknown(of, "models")
    label = ranked[0].label
    what = "rPC, the share of its clean accuracy that is left," if label == "rPC" else "mean consistency"
    best, worst = ranked[0], ranked[-1]
    if len(ranked) == 1:
        return Markup("<b>{}</b> is the run's only model: {} is {}.").format(best.model, what, with_interval(best, "ratio"))
    apart = _difference(of, "model_difference", label, "model", best.model, worst.model)
    value = "" if apart is None else f", {with_interval(apart, 'ratio')},"
    high, low = with_interval(best, "ratio"), with_interval(worst, "ratio")
    words = "<b>{}</b> suffers least: {} is {}. <b>{}</b> suffers most: {}; their difference{} {}."
    if apart is not None and apart.excludes_zero is False:
        words = "The models <b>can't be told apart</b>: of {}, {} is {}, and of {} {}; their difference{} {}."
    return Markup(words).format(best.model, what, high, worst.model, low, value, _verdict(apart))


def _difference(of: TaskDocument, statistic: str, label: str, key: str, one: str | None, other: str | None) -> Record | None:
    """The difference of one less the other, in either order of the file."""
    for record in _records(of, statistic, label):
        pair = (getattr(record, key), record.other)
        if pair == (one, other):
            return record
        if pair == (other, one):
            ends = {"low": record.high, "high": record.low}
            turned = {name: None if end is None else -end for name, end in ends.items()}
            return record.model_copy(update={"value": -record.value, **turned})
    return None


def _records(of: TaskDocument, statistic: str, label: str) -> Sequence[Record]:
    known = of.statistics.get(statistic)
    return [record for record in known.records if record.label == label] if known is not None else []


def _verdict(record: Record | None) -> str:
    if record is None:
        return "is not known"
    return {True: "excludes 0", False: "includes 0", None: "has no interval"}[record.excludes_zero]


def _per_cent(record: Record) -> str:
    """A decline with its interval, and whether it may be none at all."""
    value, _, ends = with_interval(record, "per cent").partition(" ")
    said = f"{value} % {ends}".rstrip()
    return f"{said}, which includes 0" if record.excludes_zero is False else said


def _name(record: Record) -> str:
    return plain(record.distortion or "")


def _unknown(of: TaskDocument, statistic: str) -> Markup:
    return Markup("Not known: {}.").format(of.absent.get(statistic, "the audit holds no such statistic"))
