"""Which module imports which, read from the source: nothing is imported."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterable, Iterator
from pathlib import Path

Graph = dict[str, set[str]]
"""The modules that each module imports, by dotted names."""


def import_graph(root: Path, packages: Iterable[str]) -> Graph:
    """Return the imports among the packages below ``root``: of whole files, and of functions that import when called.

    What is imported for types only (``if TYPE_CHECKING``) doesn't count. Names in strings, such as those of a registry or of a
    module's ``__getattr__``, are no import statements.
    """
    files = [file for package in packages for file in sorted((root / package).rglob("*.py"))]
    names = {file: ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for file in files}
    known = set(names.values())
    return {name: {module for module in _imports(file, name, known) if module != name} for file, name in names.items()}


def find_cycle(graph: Graph) -> list[str]:
    """Return the modules of a cycle, the first one once more at the end; an empty list where there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle[::-1]  # graphlib names what is needed first
    return []


def _imports(file: Path, name: str, known: set[str]) -> Iterator[str]:
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in _import_statements(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from known.intersection(alias.name for alias in node.names)
            continue
        parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        origin = ".".join([*parents, *filter(None, [node.module])])
        found = {f"{origin}.{alias.name}" for alias in node.names}
        yield from known & found
        if found - known and origin in known:
            yield origin


def _import_statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for statement in child.orelse:
                yield from _import_statements(ast.Module([statement], []))
        else:
            yield from _import_statements(child)
