"""Charts as inline SVG: lines with bands, grids of severities, marks with intervals, stacked bars.

Colours are classes of the page's style sheet, so that the same drawing serves light, dark and print. Texts from data are
escaped by ``Markup.format``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from miqd_builder.auditing.page.scale import UNIT, Scale, tick_text

LINE_WIDTH, LINE_HEIGHT = 230, 142
LEFT, RIGHT, TOP, BOTTOM = 26, 8, 8, 26
CELL, GRID_LEFT = 26, 28
MARK_WIDTH, MARK_LINE, MARK_PAD = 180, 12, 12
LEVELS = 20
"""Steps of the heat colours (``h0`` to ``h20``)."""
DARK_FROM = 15
"""From this step on, text on a heat colour is in the contrasting colour."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value with its interval, if it has one, and what it says when it is pointed at."""

    x: float
    value: float
    low: float | None
    high: float | None
    hint: str


@dataclass(frozen=True, slots=True)
class Line:
    """Points from left to right, in one of the page's colours (0 to 5)."""

    colour: int
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Mark:
    """A value with its interval on a line of its own; hollow where its interval includes 0."""

    colour: int
    value: float
    low: float | None
    high: float | None
    hint: str
    hollow: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A coloured cell: its heat from 0 to 1, its text and what it says when it is pointed at."""

    heat: float
    text: str
    hint: str


def drawing(width: float, height: float, parts: Sequence[Markup], *, kind: str, label: str = "") -> Markup:
    """Return an SVG that readers of the screen know by its label; without one they don't hear of it."""
    spoken = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    head = Markup('<svg viewBox="0 0 {} {}" width="{}" height="{}" class="{}" {}>').format(
        width, height, width, height, kind, spoken
    )
    return head + Markup("").join(parts) + Markup("</svg>")


def line_chart(lines: Sequence[Line], x: Scale, y: Scale = UNIT, *, x_title: str, label: str) -> Markup:
    """Return lines over x, each with a band from the lower to the upper ends of its intervals."""
    inner_width, inner_height = LINE_WIDTH - LEFT - RIGHT, LINE_HEIGHT - TOP - BOTTOM

    def at_x(value: float) -> float:
        return round(LEFT + x.place(value, inner_width), 1)

    def at_y(value: float) -> float:
        return round(TOP + inner_height - y.place(value, inner_height), 1)

    parts = []
    for tick in y.ticks:
        parts.append(Markup('<path class="rule" d="M{} {}H{}"/>').format(LEFT, at_y(tick), LINE_WIDTH - RIGHT))
        parts.append(text(LEFT - 4, at_y(tick) + 3, tick_text(tick), "end"))
    parts += [text(at_x(tick), LINE_HEIGHT - BOTTOM + 12, tick_text(tick), "mid") for tick in x.ticks]
    parts.append(text(LEFT + inner_width / 2, LINE_HEIGHT - 3, x_title, "mid"))
    for line in lines:
        known = [p for p in line.points if p.low is not None and p.high is not None]
        if len(known) > 1:
            ends = [f"{at_x(p.x)},{at_y(p.high or 0)}" for p in known]
            ends += [f"{at_x(p.x)},{at_y(p.low or 0)}" for p in reversed(known)]
            parts.append(Markup('<polygon class="band f{}" points="{}"/>').format(line.colour, " ".join(ends)))
        elif known:
            parts.append(_whisker(line.colour, at_x(known[0].x), at_y(known[0].low or 0), at_y(known[0].high or 0)))
    for line in lines:
        path = "L".join(f"{at_x(p.x)} {at_y(p.value)}" for p in line.points)
        parts.append(Markup('<path class="line l{}" d="M{}"/>').format(line.colour, path))
        parts += [
            Markup('<circle class="f{}" cx="{}" cy="{}" r="2.6"><title>{}</title></circle>').format(
                line.colour, at_x(p.x), at_y(p.value), p.hint
            )
            for p in line.points
        ]
    return drawing(LINE_WIDTH, LINE_HEIGHT, parts, label=label, kind="fluid")


def severity_grid(cells: Mapping[tuple[int, int], Cell], levels: Sequence[int], *, label: str) -> Markup:
    """Return a grid of (ROI severity, background severity), severity 1 of both in the lower left corner."""
    side = CELL * len(levels)
    parts = []
    for column, background in enumerate(levels):
        parts.append(text(GRID_LEFT + CELL * (column + 0.5), side + 12, str(background), "mid"))
        for row, roi in enumerate(reversed(levels)):
            x, y = GRID_LEFT + CELL * column, CELL * row
            parts.append(_heat_cell(x, y, CELL, CELL, cells.get((roi, background)), roi == background))
    parts += [text(GRID_LEFT - 4, CELL * (row + 0.5) + 3, str(roi), "end") for row, roi in enumerate(reversed(levels))]
    parts.append(text(GRID_LEFT + side / 2, side + 24, "background severity", "mid"))
    parts.append(Markup('<text class="mid" transform="translate(9 {})rotate(-90)">ROI severity</text>').format(side / 2))
    return drawing(side + GRID_LEFT + 2, side + 28, parts, label=label, kind="fluid grid")


def heat_strips(
    rows: Sequence[str], columns: Sequence[str], cells: Mapping[tuple[str, str], Sequence[Cell]], *, label: str
) -> Markup:
    """Return a matrix whose cells are strips of narrow cells: models by distortions, severities side by side."""
    narrow, height, gap = 13, 20, 6
    most = max((len(strip) for strip in cells.values()), default=1)
    left, top = 12 + 6.2 * max(map(len, rows), default=1), 64
    pitch = narrow * most + gap
    parts = [
        Markup('<text transform="translate({} {})rotate(-35)">{}</text>').format(round(left + pitch * i + 8, 1), top - 6, name)
        for i, name in enumerate(columns)
    ]
    for row, model in enumerate(rows):
        y = top + row * (height + 3)
        parts.append(text(left - 6, y + 14, model, "end"))
        for column, name in enumerate(columns):
            strip = cells.get((model, name), ())
            x = left + pitch * column
            parts += [_heat_cell(round(x + narrow * k, 1), y, narrow, height, cell) for k, cell in enumerate(strip)]
    width = round(left + pitch * len(columns) + 40)
    return drawing(width, top + len(rows) * (height + 3), parts, label=label, kind="fixed")


def marks(lines: Sequence[Mark], scale: Scale) -> Markup:
    """Return values as dots on whiskers, one below the other, with a rule at 0 where the axis has it.

    Readers of the screen don't hear of it: its numbers stand beside it.
    """
    inner, height = MARK_WIDTH - 2 * MARK_PAD, MARK_LINE * len(lines) + 4
    parts = []
    if scale.low <= 0 <= scale.high:
        parts.append(Markup('<path class="zero" d="M{} 0V{}"/>').format(MARK_PAD + scale.place(0, inner), height))
    for index, mark in enumerate(lines):
        y = MARK_LINE * (index + 0.5) + 2
        if mark.low is not None and mark.high is not None:
            ends = (round(MARK_PAD + scale.place(end, inner), 1) for end in (mark.low, mark.high))
            parts.append(Markup('<path class="whisker l{}" d="M{} {y}H{}"/>').format(mark.colour, *ends, y=y))
        x = round(MARK_PAD + scale.place(mark.value, inner), 1)
        style = f"hollow l{mark.colour}" if mark.hollow else f"f{mark.colour}"
        parts.append(
            Markup('<circle class="{}" cx="{}" cy="{}" r="3.5"><title>{}</title></circle>').format(style, x, y, mark.hint)
        )
    return drawing(MARK_WIDTH, height, parts, kind="marks")


def mark_axis(scale: Scale) -> Markup:
    """Return the axis above a column of :func:`marks`."""
    inner = MARK_WIDTH - 2 * MARK_PAD
    parts = [text(round(MARK_PAD + scale.place(tick, inner), 1), 10, tick_text(tick), "mid") for tick in scale.ticks]
    return drawing(MARK_WIDTH, 14, parts, kind="marks")


def stacked_bar(shares: Sequence[tuple[int, float, str]], most: float) -> Markup:
    """Return a bar of parts, each a colour, a value and its hint; ``most`` is the sum that fills the width."""
    x, parts = 0.0, []
    for colour, value, said in shares:
        width = round(MARK_WIDTH * value / most, 1) if most > 0 else 0.0
        parts.append(
            Markup('<rect class="f{}" x="{}" y="2" width="{}" height="12"><title>{}</title></rect>').format(
                colour, round(x, 1), width, said
            )
        )
        x += width
    return drawing(MARK_WIDTH, 16, parts, kind="marks")


def heat_level(heat: float) -> int:
    """Return the step of a heat colour for a heat from 0 to 1; values outside are put at the ends."""
    return round(LEVELS * min(1.0, max(0.0, heat)))


def text(x: float, y: float, words: str, anchor: str = "") -> Markup:
    """Return a line of text; ``anchor`` is empty (from x on), ``mid`` or ``end``."""
    return Markup('<text x="{}" y="{}" class="{}">{}</text>').format(round(x, 1), round(y, 1), anchor, words)


def _heat_cell(x: float, y: float, width: float, height: float, cell: Cell | None, outlined: bool = False) -> Markup:
    if cell is None:
        return Markup('<rect class="none" x="{}" y="{}" width="{}" height="{}"/>').format(x, y, width - 1, height - 1)
    level = heat_level(cell.heat)
    rect = Markup('<rect class="heat h{}{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>').format(
        level, " own" if outlined else "", x, y, width - 1, height - 1, cell.hint
    )
    if not cell.text:
        return rect
    anchor = "mid on" if level >= DARK_FROM else "mid"
    return rect + text(x + (width - 1) / 2, y + height / 2 + 3, cell.text, anchor)


def _whisker(colour: int, x: float, low: float, high: float) -> Markup:
    return Markup('<path class="whisker l{}" d="M{} {}V{}"/>').format(colour, x, low, high)
