"""Filtering curves as SVG: one figure a task, label and measure, without any dependency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from miqd_builder.benchmarking.baselines import DEGRADATION_MEAN
from miqd_builder.benchmarking.filtering import ORACLE, RANDOM, Filtering
from miqd_builder.correlation.pairs import Floats

WIDTH, PLOT_HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 860, 400, 64, 48, 250, 52
LINE = 15
"""Height of a line of the legend in pixels."""

AXES = {"consistency": "against the original", "accuracy": "against the ground truth"}
OUTCOME = {"cls": "top-1", "det": "mean AP75 of an image", "ins": "mean AP75 of an image", "seg": "mean IoU of an image"}
STYLES = {
    "mean of the models": 'stroke="#0f172a" stroke-width="3"',
    ORACLE: 'stroke="#16a34a" stroke-width="2" stroke-dasharray="7 4"',
    DEGRADATION_MEAN: 'stroke="#ea580c" stroke-width="2" stroke-dasharray="7 4"',
    RANDOM: 'stroke="#64748b" stroke-width="2" stroke-dasharray="2 4"',
}
"""The mean over the models of the measure's curves, and of the references'."""


def figure(found: Filtering, references: Sequence[Filtering]) -> str:
    """Return a figure: a thin curve a model, the mean of the models, and the means of oracle, degradation_mean and random.

    Args:
        found: the curves of the measure.
        references: curves of the same task and label by other orders; those by oracle and degradation_mean are drawn.
    """
    shares = found.curves.shares
    models = {
        f"{model} ({area:+.3f})": (curve, f'stroke="{_colour(index, len(found.models))}" stroke-width="1.2"')
        for index, (model, curve, area) in enumerate(zip(found.models, found.curves.reached.T, found.curves.areas, strict=True))
    }
    means = {"mean of the models": found.mean, RANDOM: np.full(len(shares), found.mean_random)}
    means |= {one.measure: one.mean for one in references if one.measure in STYLES}
    lines = models | {name: (curve, STYLES[name]) for name, curve in means.items()}
    height = max(TOP + PLOT_HEIGHT + BOTTOM, TOP + LINE * (len(lines) + 2))
    title = f"{found.task}: lowest {found.measure} left out, {found.curves.n:,} degraded images"
    y_title = f"{OUTCOME.get(found.task, 'score')} {AXES[found.label]}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#1e293b">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(LEFT, 24, title, 'font-size="15"'),
        *_axes(float(shares[-1]), y_title),
        *(_curve(shares, curve, style) for curve, style in lines.values()),
        *_legend({name: style for name, (_, style) in lines.items()}),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def file_name(found: Filtering) -> str:
    """Return the name of a figure's file in the run folder."""
    return f"report/filtering_{found.task}_{found.label}_{found.measure}.svg"


def _axes(last: float, y_title: str) -> list[str]:
    parts = []
    for value in np.linspace(0, 1, 6):
        y = _y(float(value))
        parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#e2e8f0"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{value:.1f}", 'text-anchor="end"'))
    for share in np.arange(0, last + 0.01, 0.1):
        parts.append(_text(_x(float(share), last), TOP + PLOT_HEIGHT + 18, f"{share:.1f}", 'text-anchor="middle"'))
    middle = TOP + PLOT_HEIGHT / 2
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, TOP + PLOT_HEIGHT + 38, "share left out", 'text-anchor="middle"'))
    return [*parts, _text(18, middle, y_title, f'text-anchor="middle" transform="rotate(-90 18 {middle})"')]


def _curve(shares: Floats, curve: Floats, style: str) -> str:
    last = float(shares[-1])
    points = [f"{_x(float(x), last)},{_y(float(y))}" for x, y in zip(shares, curve, strict=True) if not math.isnan(y)]
    return f'<polyline points="{" ".join(points)}" fill="none" {style}/>'


def _legend(styles: dict[str, str]) -> list[str]:
    x = WIDTH - RIGHT + 16
    parts = [_text(x, TOP + 4, "area between curve and random in brackets", 'font-size="10"')]
    for index, (name, style) in enumerate(styles.items(), start=1):
        y = TOP + 4 + LINE * index
        parts.append(f'<line x1="{x}" y1="{y - 4}" x2="{x + 22}" y2="{y - 4}" {style}/>')
        parts.append(_text(x + 28, y, name, 'font-size="11"'))
    return parts


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(text)}</text>'


def _x(share: float, last: float) -> float:
    return round(LEFT + (WIDTH - RIGHT - LEFT) * share / last, 2)


def _y(value: float) -> float:
    return round(TOP + PLOT_HEIGHT * (1 - value), 2)


def _colour(index: int, count: int) -> str:
    return f"hsl({round(360 * index / max(1, count))}, 55%, 55%)"
