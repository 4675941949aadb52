"""The explorer's page: hand-written ES modules and a style sheet, put into one HTML file that needs nothing else.

The modules in ``page/`` are plain JavaScript that a browser could load as they are. A file on disk can't import another one
under a strict policy, so they are joined: each becomes a function that returns what it exports, in the order of their imports.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from importlib.resources import files
from string import Template

IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./(\w+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
START = "main"
"""The module that the page starts with."""

PAGE = files("miqd_builder.exploring") / "page"


def assemble(title: str, data: str) -> str:
    """Return the page.

    Its Content-Security-Policy allows the one script and the one style sheet, by their hashes, and pictures that are in the
    page itself; anything else, such as a request to any address, is refused by the browser.

    Args:
        title: name of the page; any text.
        data: markup of the data blocks.
    """
    style, script = (PAGE / "page.css").read_text("utf-8"), join_modules()
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    template = Template((PAGE / "page.html").read_text("utf-8"))
    return template.substitute(title=escape(title), policy=policy, style=style, script=script, data=data)


def join_modules() -> str:
    """Return all modules as one script.

    Raises:
        ValueError: modules import each other in a circle, import what isn't exported, or hold a tag that would end the script.
    """
    order: list[str] = []
    _visit(START, order, ())
    script = "\n".join(_function(name) for name in order)
    if "</script" in script or "<!--" in script:
        raise ValueError("a module of the explorer holds a tag that would end its script")
    return script


def _visit(name: str, order: list[str], importers: tuple[str, ...]) -> None:
    if name in importers:
        raise ValueError(f"modules of the explorer import each other: {' -> '.join([*importers, name])}")
    if name in order:
        return
    source = _source(name)
    for names, imported in IMPORT.findall(source):
        _visit(imported, order, (*importers, name))
        missing = set(names.split(", ")) - set(EXPORT.findall(_source(imported)))
        if missing:
            raise ValueError(f"module {name} imports {', '.join(sorted(missing))}, which {imported} doesn't export")
    order.append(name)


def _function(name: str) -> str:
    source = _source(name)
    body = EXPORT.sub("", IMPORT.sub(r"const { \1 } = module_\2;\n", source))
    return f"const module_{name} = (() => {{\n{body}return {{ {', '.join(EXPORT.findall(source))} }};\n}})();"


def _source(name: str) -> str:
    return (PAGE / f"{name}.js").read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
