"""Registries: named objects of one kind, shipped with the project or announced by installed packages through entry points."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from miqd_builder import user_code
from miqd_builder.errors import ConfigError, MiqdError, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Finds objects by name; an object is imported when it is asked for, so that a long list costs nothing.

    Args:
        kind: their name in messages, for example ``source kind``.
        group: entry points of this group add to them, for example ``miqd.sources``. A name that ships can't be taken over.
        shipped: by name ``package.module:attribute``, or the objects themselves where they cost nothing.
    """

    def __init__(self, kind: str, group: str, shipped: Mapping[str, str | T]) -> None:
        self.kind, self.group = kind, group
        self._shipped = {
            name: EntryPoint(name, thing, group) if isinstance(thing, str) else thing for name, thing in shipped.items()
        }

    def __contains__(self, name: object) -> bool:
        return name in self._shipped or name in _announced(self.group)

    def names(self) -> list[str]:
        """Return every name: those that ship in their order, then the others."""
        return [*self._shipped, *sorted(set(_announced(self.group)) - set(self._shipped))]

    def shipped(self, name: str) -> bool:
        """Tell whether the object is the project's own."""
        return name in self._shipped

    def module(self, name: str) -> str:
        """Return the dotted name of the object's module; for a shipped object that is no entry point, of its class's module.

        Raises:
            ConfigError: there is none of that name.
        """
        entry = self._entry(name)
        return entry.module if isinstance(entry, EntryPoint) else type(entry).__module__

    def __getitem__(self, name: str) -> T:
        """Return the object of this name.

        Raises:
            ConfigError: there is none; names the nearest. Or it can't be imported.
        """
        entry = self._entry(name)
        if not isinstance(entry, EntryPoint):
            return entry
        with self._loading(entry):
            thing: T = entry.load()
        return thing

    def fresh(self, name: str) -> T:
        """Return the object of this name; the module of one of another package is imported anew if its code has changed.

        Raises:
            ConfigError: as ``registry[name]``.
            StaleCodeError: the code in memory is another one, and can't be replaced without a restart.
        """
        entry = self._entry(name)
        if isinstance(entry, EntryPoint) and not self.shipped(name):
            with self._loading(entry):
                user_code.load(entry.module)
        return self[name]

    @contextmanager
    def _loading(self, entry: EntryPoint) -> Iterator[None]:
        try:
            yield
        except MiqdError:
            raise
        except Exception as error:
            what, why = f"{self.kind[0].upper()}{self.kind[1:]} '{entry.name}'", " ".join(str(error).split())
            raise ConfigError(f"{what} ({entry.value}) can't be loaded: {type(error).__name__}: {why}") from error

    def _entry(self, name: str) -> EntryPoint | T:
        found: EntryPoint | T | None = self._shipped.get(name) or _announced(self.group).get(name)
        if found is None:
            known = self.names()
            raise ConfigError(f"Unknown {self.kind} '{name}': expected one of {', '.join(known)}.{did_you_mean(name, known)}")
        return found


@functools.cache
def _announced(group: str) -> dict[str, EntryPoint]:
    # The package importlib_metadata, once something imports it, makes Python's own function return its own class.
    return {point.name: EntryPoint(point.name, point.value, point.group) for point in entry_points(group=group)}
