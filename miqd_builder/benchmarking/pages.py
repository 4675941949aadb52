"""A page of headings, paragraphs, lists, tables and figures, as Markdown and as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1e293b; background: #f8fafc }
body { margin: 0 auto; max-width: 1180px; padding: 24px }
h1 { margin: 0 } h2 { margin: 48px 0 8px; border-bottom: 2px solid #cbd5e1 } h3 { margin: 24px 0 4px } a { color: #2563eb }
div { background: #fff; border: 1px solid #e2e8f0; border-radius: 8px; padding: 8px; margin: 8px 0; overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap }
th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid #f1f5f9 }
th:first-child, td:first-child { text-align: left }
svg { max-width: 100%; height: auto }
@media print { body { background: #fff } div { border: 0 } }
"""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 to 3."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first column is text, the others are figures."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing, an SVG of our own, and the name of its file beside the page."""

    svg: str
    file: str


Block = Heading | Paragraph | Items | Table | Figure


def to_markdown(blocks: Sequence[Block]) -> str:
    """Return a page as Markdown; figures are links to their files."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """Return a page as HTML that needs no other file; every text is escaped, figures are taken as they are."""
    body = "\n".join(_html(block) for block in blocks)
    view = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f"{view}<title>{escape(title)}</title>"
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n'


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {text}"
        case Paragraph(text):
            return text
        case Items(texts):
            return "\n".join(f"- {text}" for text in texts)
        case Table(head, rows):
            lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
            return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
        case Figure(_, file):
            return f"![{file}]({file})"


def _html(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Items(texts):
            return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"
        case Table(head, rows):
            lines = ["".join(f"<th>{escape(cell)}</th>" for cell in head)]
            lines += ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
            return f"<div><table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table></div>"
        case Figure(svg, _):
            return f"<div>{svg}</div>"
