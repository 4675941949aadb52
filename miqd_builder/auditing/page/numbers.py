"""Numbers, intervals and names as the report shows them."""

from __future__ import annotations

from miqd_builder.auditing.document import Record, Statistic

DIGITS = {"per cent": 1, "dB": 1, "severity": 2, "errors per image": 2}
"""Decimals by unit; others have three."""

LABEL_DIGITS = {"mCE": 1, "relative_mCE": 1, "CE": 1}
"""Decimals of labels that differ from the unit of their statistic."""

TASK_NAMES = {
    "cls": "Classification",
    "det": "Object detection",
    "ins": "Instance segmentation",
    "seg": "Semantic segmentation",
}
REGION_NAMES = {"uniform": "whole image", "roi": "ROI stronger", "background": "background stronger"}

KEYS = (
    "distortion",
    "category",
    "region",
    "severity",
    "roi_severity",
    "bg_severity",
    "model",
    "other",
    "error",
    "threshold",
    "quantile",
    "source_id",
    "degradation",
)
"""Keys of a record in the order in which tables show them."""

KEY_NAMES = {
    "roi_severity": "ROI severity",
    "bg_severity": "background severity",
    "source_id": "source image",
    "other": "against",
}


def plain(name: str) -> str:
    """Return a name from data for people: ``glass_blur`` is "glass blur"."""
    return name.replace("_", " ")


def number(value: float, unit: str, label: str = "") -> str:
    """Return a value with the decimals of its unit, never "-0.000"."""
    digits = LABEL_DIGITS.get(label, DIGITS.get(unit, 3))
    return f"{round(value, digits) + 0.0:.{digits}f}"


def interval(record: Record, unit: str) -> str:
    """Return the interval, ``[0.52, 0.70]``; empty where there is none."""
    if record.low is None or record.high is None:
        return ""
    return f"[{number(record.low, unit, record.label)}, {number(record.high, unit, record.label)}]"


def with_interval(record: Record, unit: str) -> str:
    """Return value and interval, ``0.610 [0.520, 0.700]``."""
    return f"{number(record.value, unit, record.label)} {interval(record, unit)}".rstrip()


def hint(record: Record, unit: str, where: str) -> str:
    """Return what a mark of a chart says when it is pointed at."""
    return f"{where}: {plain(record.label)} {with_interval(record, unit)}, n {record.n:,}"


def key_text(record: Record, key: str) -> str:
    """Return one key of a record as text; empty where it doesn't apply."""
    value = getattr(record, key)
    if value is None:
        return ""
    if key == "region":
        return REGION_NAMES.get(value, plain(value))
    if key in ("distortion", "category") or (key == "other" and record.distortion is not None):
        return plain(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def key_name(key: str) -> str:
    """Return the heading of a key's column."""
    return KEY_NAMES.get(key, key)


def keys_of(statistic: Statistic) -> list[str]:
    """Return the keys that tell a statistic's records apart; a category only where there is no distortion."""
    used = [key for key in KEYS if any(getattr(record, key) is not None for record in statistic.records)]
    return [key for key in used if key != "category" or "distortion" not in used]


def extent(records: list[Record]) -> str:
    """Return how many rows and source images the values rest on: "n 8 images of 8 sources each"."""
    rows, sources = ([getattr(record, name) for record in records] for name in ("n", "sources"))
    return f"n {_span(rows)}, of {_span(sources)} source images" if records else ""


def _span(values: list[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
