"""Write docs/api.md from docstrings: ``python docs/generate_api.py``; with ``--check``, only say whether it is up to date."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("api.md")
COMMANDS = (
    "degrade",
    "label",
    "measure",
    "status",
    "verify",
    "audit",
    "label_statistics",
    "benchmark",
    "compare",
    "export",
    "import_labels",
)
SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises", "Example")

HEAD = """# Python API

<!-- Written by `python docs/generate_api.py` from the docstrings: change those, not this page. -->

What `miqd` does is a function with the run file's fields as keyword arguments; the command line calls these functions.

    import miqd_builder as mb

The import takes no time: names are loaded when they are first used. Every example runs as a test, in the folder of a checkout.
Errors that a user can act on are `mb.MiqdError`; their message names the thing, its value and the remedy.
"""


def main() -> int:
    """Write the page, or say whether it is up to date."""
    sys.path.insert(0, str(PAGE.parents[1]))
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
    if not current:
        print("docs/api.md is not what the docstrings say: run python docs/generate_api.py", file=sys.stderr)
    return 0 if current else 1


def page() -> str:
    """Return the page."""
    import miqd_builder as mb
    from miqd_builder.benchmarking.records import BenchmarkRecord
    from miqd_builder.benchmarking.report import TaskBenchmark
    from miqd_builder.labeling.average_precision import ImageAP
    from miqd_builder.responses import Classification, Detections, Segmentation
    from pipelines import api
    from pipelines.api.fields import RunFields

    commands = [getattr(mb, name) for name in COMMANDS]
    others = [mb.list_models, mb.create_model, mb.score, mb.image_ap]
    parts = [HEAD, "## Commands\n", *map(_function, commands)]
    parts += ["## Fields of a run file\n", "Keyword arguments of `degrade`, `label` and `measure`.\n", _text(_doc(RunFields))]
    parts += ["## What the commands return\n"]
    parts += [
        _class(found)
        for found in (
            api.Made,
            api.Audited,
            api.TaskAudit,
            api.Benchmarked,
            TaskBenchmark,
            BenchmarkRecord,
            api.Verification,
            api.VerifiedFile,
        )
    ]
    parts += ["## A run folder\n", _function(mb.open_run), _class(mb.Run)]
    parts += ["## Models, scores, average precision\n", *map(_function, others), _class(ImageAP)]
    parts += ["## Predictions\n", "`from miqd_builder.responses import Classification, Detections, Segmentation`\n"]
    parts += [_class(found) for found in (Classification, Detections, Segmentation)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _function(function: Any) -> str:
    return f"### {function.__name__}\n\n{_signature(function.__name__, function)}\n{_text(_doc(function))}"


def _class(found: type) -> str:
    shown = [f"### {found.__name__}\n", _text(_doc(found))]
    for name, member in vars(found).items():
        if name.startswith("_") or not inspect.getdoc(member):
            continue
        if isinstance(member, property) or type(member).__name__ == "cached_property":
            shown.append(f"**`{name}`**: {_text(_doc(member))}")
        elif callable(member) or isinstance(member, classmethod):
            function = getattr(found, name)
            shown.append(f"{_signature(f'{found.__name__}.{name}', function)}\n{_text(_doc(function))}")
    return "\n".join(shown)


def _signature(name: str, function: Any) -> str:
    """The signature as a line of code, without types: the text says what they are."""
    parameters = [p.replace(annotation=p.empty) for p in inspect.signature(function).parameters.values() if p.name != "self"]
    if _fields() <= {p.name for p in parameters}:
        parameters = [p for p in parameters if p.name not in _fields()]
        parameters.append(inspect.Parameter("fields", inspect.Parameter.VAR_KEYWORD))
    return f"```python\n{name}{inspect.Signature(parameters)}\n```\n"


def _fields() -> set[str]:
    from pipelines.api.fields import RunFields

    return set(RunFields.__annotations__)


def _doc(found: Any) -> str:
    return inspect.getdoc(found) or ""


def _text(doc: str) -> str:
    """A Google-style docstring as Markdown."""
    lines: list[str] = []
    for title, body in _split(doc):
        text = _inline("\n".join(body).strip("\n"))
        if title == "Example":
            lines.append(f"```python\n{inspect.cleandoc(chr(10).join(['', *body]))}\n```\n")
        elif title in ("Args", "Attributes", "Raises"):
            lines.append(f"{title if title != 'Args' else 'Arguments'}:\n\n{_items(inspect.cleandoc(chr(10) + text))}\n")
        else:
            text = inspect.cleandoc("\n" + text)
            lines.append(f"{title}: {text}\n" if title else f"{text}\n")
    return "\n".join(lines)


def _split(doc: str) -> Iterator[tuple[str, list[str]]]:
    """Sections of a docstring with their lines, the first without a title."""
    title, body = "", list[str]()
    for line in doc.splitlines():
        if line.rstrip(":") in SECTIONS and line.endswith(":"):
            yield title, body
            title, body = line.rstrip(":"), []
        else:
            body.append(line)
    yield title, body


def _items(text: str) -> str:
    """``name: what it is`` as a list; further lines belong to the item above."""
    items: list[str] = []
    for line in text.splitlines():
        name, colon, rest = line.partition(": ")
        if line.startswith(" ") or not colon:
            items[-1] += f" {line.strip()}"
        else:
            names = ", ".join(f"`{one.strip()}`" for one in name.split(","))
            items.append(f"- {names}: {rest}")
    return "\n".join(items)


def _inline(text: str) -> str:
    """Roles and double backticks as single backticks."""
    text = re.sub(r":(?:class|func|meth|mod|data|attr):`~?\.?([^`]*)`", lambda m: f"`{m[1].rpartition('.')[2]}`", text)
    return text.replace("``", "`")


if __name__ == "__main__":
    sys.exit(main())
