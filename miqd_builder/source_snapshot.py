"""The source of a module as it is on disk at one moment: its bytes, their hash, and modules made of exactly these bytes.

Python's own import trusts bytecode files whose time, to the second, and size fit: an edit within the same second may run the
old code. Modules that are imported here are compiled from the bytes that were hashed.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from miqd_builder.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """The source code of a module.

    Attributes:
        module: dotted name.
        file: its file; of a package the ``__init__.py``.
        contents: bytes by real path: of its file, or of all ``.py`` files of a package.
        package: whether it is a package.
        sha256: hash of the file's bytes; of a package over the names and bytes of all its files.
    """

    module: str
    file: str
    contents: Mapping[str, bytes]
    package: bool
    sha256: str

    @property
    def loads_anew(self) -> bool:
        """Whether the module can be replaced in memory: a compiled module and the running script can't."""
        return self.file.endswith(".py") and self.module != "__main__"

    def is_of(self, name: str) -> bool:
        """Tell whether a module is this one, or part of this package."""
        return name == self.module or (self.package and name.startswith(f"{self.module}."))


def read_source(module: str) -> ModuleSource | None:
    """Read a module's source without importing anything; None where it isn't found or isn't made of files.

    Raises:
        ConfigError: a file can't be read.
    """
    file = module_file(module)
    if file is None:
        return None
    package = Path(file).name == "__init__.py"
    try:
        if not package:
            content = Path(file).read_bytes()
            return ModuleSource(module, file, {os.path.realpath(file): content}, False, hashlib.sha256(content).hexdigest())
        folder = Path(file).parent
        contents = {name: (folder / name).read_bytes() for name in _python_files(folder)}
    except OSError as error:
        raise ConfigError(f"The source of module '{module}' can't be read: {error}.") from error
    lines = [f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in contents.items()]
    sha256 = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return ModuleSource(module, file, {os.path.realpath(folder / name): contents[name] for name in contents}, True, sha256)


def _python_files(folder: Path) -> list[str]:
    """Names below the folder, sorted; hidden folders, such as an environment, can't be imported and are left out."""
    names = (file.relative_to(folder) for file in folder.rglob("*.py") if file.is_file())
    return sorted(name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts))


def module_file(module: str) -> str | None:
    """Return the file of a module, of a package its ``__init__.py``; None where it isn't found or isn't made of files."""
    if module == "__main__":
        return getattr(sys.modules["__main__"], "__file__", None)
    spec = _spec(module)
    found = spec is not None and spec.has_location and spec.origin is not None and Path(spec.origin).is_file()
    return spec.origin if spec is not None and found else None


def _spec(module: str) -> ModuleSpec | None:
    """Find a module; unlike :func:`importlib.util.find_spec` this imports no parent and reads the disk again."""
    importlib.invalidate_caches()
    path: Iterable[str] | None = None
    spec: ModuleSpec | None = None
    name = ""
    for word in module.split("."):
        name = f"{name}.{word}" if name else word
        spec = _ask_finders(name, path) if word and (path is not None or name == word) else None
        if spec is None:
            return None
        path = getattr(sys.modules.get(name), "__path__", spec.submodule_search_locations)
    return spec


def _ask_finders(name: str, path: Iterable[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        if finder is not FINDER and hasattr(finder, "find_spec"):
            try:
                spec = finder.find_spec(name, path, None)  # type: ignore[arg-type]
            except KeyError:  # a folder without __init__.py: Python wants its parent imported to say where it is
                return _folder(name, path or ())
            if spec is not None:
                return spec
    return None


def _folder(name: str, path: Iterable[str]) -> ModuleSpec:
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(Path(parent, name.rpartition(".")[2])) for parent in path]
    return spec


class SnapshotLoader(importlib.machinery.SourceFileLoader):
    """Makes a module of bytes that were read before; it neither reads nor writes bytecode."""

    def __init__(self, name: str, path: str, source: ModuleSource) -> None:
        super().__init__(name, path)
        self.source, self.content = source, source.contents[os.path.realpath(path)]

    def get_code(self, fullname: str) -> CodeType:
        """Compile the bytes."""
        code: CodeType = self.source_to_code(self.content, self.path)
        return code

    def get_data(self, path: str) -> bytes:
        """Return the bytes that the module was made of; another file is read."""
        return self.content if path == self.path else super().get_data(path)


class _Finder:
    """Finds the modules that are being imported from a snapshot, and what a package of one imports later."""

    def __init__(self) -> None:
        self.importing: list[ModuleSource] = []
        self.kept: dict[str, tuple[ModuleType, ModuleSource]] = {}

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return where a module comes from if a snapshot has it; nothing for ``importlib.reload``, which wants the disk's."""
        source = None if target is not None else self._source(name)
        found = _ask_finders(name, path) if source else None
        if source is None or found is None or found.origin is None:
            return None
        if os.path.realpath(found.origin) not in source.contents or not found.origin.endswith(".py"):
            return None
        loader = SnapshotLoader(name, found.origin, source)
        return importlib.util.spec_from_file_location(
            name, found.origin, loader=loader, submodule_search_locations=found.submodule_search_locations
        )

    def _source(self, name: str) -> ModuleSource | None:
        for source in reversed(self.importing):
            if source.is_of(name):
                return source
        words = name.split(".")
        packages = (".".join(words[:count]) for count in range(len(words) - 1, 0, -1))
        kept = (self.source(package) for package in packages)
        return next((source for source in kept if source is not None and source.is_of(name)), None)

    def source(self, name: str) -> ModuleSource | None:
        """Return the snapshot that the module in memory was checked against or made of."""
        module, source = self.kept.get(name, (None, None))
        return source if module is not None and sys.modules.get(name) is module else None


FINDER: Any = _Finder()
"""Remembers the snapshots; it joins Python's finders when the first module is imported from one."""


def import_anew(source: ModuleSource) -> ModuleType:
    """Forget a module, and all of a package, and import it from a snapshot."""
    if FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)
    _forget(source)
    FINDER.importing.append(source)
    try:
        module = importlib.import_module(source.module)
    except BaseException:
        _forget(source)
        raise
    finally:
        FINDER.importing.remove(source)
    FINDER.kept[source.module] = (module, source)
    return module


def _forget(source: ModuleSource) -> None:
    for name in [name for name, module in sys.modules.items() if module is not None and source.is_of(name)]:
        del sys.modules[name]
