"""Loading a user's modules in processes that outlive an edit of them: Dask workers, notebooks.

Results are stored under the hash of the code that made them, so the code in memory must be that of the file that was hashed.
:func:`load` makes sure of it, or raises an error.

A package counts with all its ``.py`` files. Of a single module only its own file counts, not what it imports.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType

import psutil

from miqd_builder.errors import ConfigError, MiqdError, StaleCodeError
from miqd_builder.source_snapshot import FINDER, ModuleSource, SnapshotLoader, import_anew, read_source

_LOCK = threading.RLock()
_STARTED = psutil.Process().create_time() - 2
"""A file that is older than this process, which is known to about a second, has not changed under it."""

_PLANNED: ContextVar[Mapping[str, str] | None] = ContextVar("planned", default=None)


def source_sha256(module: str) -> str | None:
    """Return the hash of a module's source as it is on disk now, 64 hex digits; nothing is imported.

    Args:
        module: dotted name. Of a package all ``.py`` files count, of another module its file.

    Returns:
        None where there is no such module, or no file of it (built in, defined in a notebook).

    Raises:
        ConfigError: a file can't be read.
    """
    source = read_source(module)
    return source.sha256 if source else None


def load(module: str, sha256: str | None = None, *, anew: bool = True) -> ModuleType:
    """Return a module whose code in memory is that of a hash; other code of it in memory is dropped for it.

    A module that was imported by others counts as unchanged if its files are older than this process.

    Args:
        module: dotted name.
        sha256: from :func:`source_sha256`; by default that of a surrounding :func:`planned`, else that of the file on disk now.
        anew: whether other code may be dropped; not where a second import would clash with what the first one registered.

    Raises:
        StaleCodeError: neither memory nor disk has the code of this hash, or it can't be loaded without a restart.
        Exception: whatever the module raises when it is imported.
    """
    wanted = sha256 or (_PLANNED.get() or {}).get(module)
    with _LOCK:
        kept: ModuleSource | None = FINDER.source(module)
        if kept is not None and kept.sha256 == wanted and _in_memory(kept):
            return sys.modules[module]  # even if the file has changed since
        source = read_source(module)
        if wanted is not None and (source is None or source.sha256 != wanted):
            raise StaleCodeError(
                f"Module '{module}': its source here is not the one that the run was planned with. "
                "Run the same command again; on another machine, make its files the same."
            )
        if source is None:
            return importlib.import_module(module)
        return _load(source, anew)


@contextlib.contextmanager
def planned(code: Mapping[str, str]) -> Iterator[None]:
    """Load some modules, and make :func:`load` use these hashes until the block ends, even if the files change.

    Args:
        code: hashes by module.

    Raises:
        MiqdError: as :func:`checked`.
    """
    checked(code)
    token = _PLANNED.set({**(_PLANNED.get() or {}), **code})
    try:
        yield
    finally:
        _PLANNED.reset(token)


def checked(code: Mapping[str, str]) -> None:
    """Make sure that the code of some modules in memory is the one of these hashes.

    Args:
        code: hashes by module.

    Raises:
        StaleCodeError: a module has other code, and it can't be loaded anew.
        ConfigError: a module can't be imported.
    """
    for module, sha256 in code.items():
        try:
            load(module, sha256)
        except MiqdError:
            raise
        except Exception as error:
            raise ConfigError(f"Module '{module}' can't be imported: {type(error).__name__}: {error}") from error


def _load(source: ModuleSource, anew: bool) -> ModuleType:
    name = source.module
    loaded = sys.modules.get(name)
    if loaded is not None and _in_memory(source):
        if FINDER.source(name) is None or FINDER.source(name).sha256 != source.sha256:
            FINDER.kept[name] = (loaded, source)
        return loaded
    if loaded is not None and not (anew and source.loads_anew):
        raise StaleCodeError(
            f"Module '{name}' has changed since this process (worker, notebook) imported it, and can't be loaded twice: "
            "restart the process and run the same command again."
        )
    if source.loads_anew:
        return import_anew(source)
    module = importlib.import_module(name)
    FINDER.kept[name] = (module, source)
    return module


def _in_memory(source: ModuleSource) -> bool:
    """Whether all that memory has of a module is made of these bytes, and was imported together."""
    top = sys.modules.get(source.module)
    kept: ModuleSource | None = FINDER.source(source.module)
    if top is None or (kept is not None and not source.loads_anew):
        return kept is not None and kept.sha256 == source.sha256
    parts = [module for name, module in list(sys.modules.items()) if module is not None and source.is_of(name)]
    if not all(_made_of(part, source, is_top=part is top) for part in parts):
        return False
    # If a submodule was imported anew on its own, the others still hold names of its former version.
    code = [part for part in parts if getattr(part, "__file__", None)]
    origins = {id(loader.source) if (loader := _snapshot_loader(part)) else id(kept) for part in code}
    return len(origins) == 1


def _snapshot_loader(module: ModuleType) -> SnapshotLoader | None:
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    return loader if isinstance(loader, SnapshotLoader) else None


def _made_of(module: ModuleType, source: ModuleSource, *, is_top: bool) -> bool:
    if loader := _snapshot_loader(module):
        return source.contents.get(os.path.realpath(loader.path)) == loader.content
    file = getattr(module, "__file__", None)
    if not is_top and (file is None or not file.endswith(".py")):
        return True  # a folder of a package, or a compiled part: the hash doesn't count them
    if file is None or os.path.realpath(file) not in source.contents:
        return False
    try:
        status = Path(file).stat()
    except OSError:
        return False
    return max(status.st_mtime, status.st_ctime) < _STARTED
