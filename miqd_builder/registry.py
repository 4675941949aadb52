"""Named things of one kind: those that ship with the project, and those that installed packages announce by entry point."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from miqd_builder.errors import ConfigError, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Finds things by name; a thing is imported when it is asked for, so that a long list costs nothing.

    Args:
        kind: what they are called in messages, for example ``source kind``.
        group: entry points of this group add to them, for example ``miqd.sources``. A name that ships can't be taken over.
        shipped: ``package.module:attribute`` by name.
    """

    def __init__(self, kind: str, group: str, shipped: Mapping[str, str]) -> None:
        self.kind, self.group = kind, group
        self._shipped = {name: EntryPoint(name, value, group) for name, value in shipped.items()}

    def __contains__(self, name: object) -> bool:
        return name in self._shipped or name in _announced(self.group)

    def names(self) -> list[str]:
        """Return every name: those that ship in their order, then the others."""
        return [*self._shipped, *sorted(set(_announced(self.group)) - set(self._shipped))]

    def shipped(self, name: str) -> bool:
        """Tell whether the thing is the project's own."""
        return name in self._shipped

    def module(self, name: str) -> str:
        """Return the dotted name of the module that the thing is in.

        Raises:
            ConfigError: there is none of that name.
        """
        return self._entry(name).module

    def __getitem__(self, name: str) -> T:
        """Return the thing of this name.

        Raises:
            ConfigError: there is none; names the nearest. Or it can't be imported.
        """
        entry = self._entry(name)
        try:
            thing: T = entry.load()
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(
                f"{self.kind.capitalize()} '{name}' ({entry.value}) can't be loaded: {type(error).__name__}: {error}"
            ) from error
        return thing

    def _entry(self, name: str) -> EntryPoint:
        found = self._shipped.get(name) or _announced(self.group).get(name)
        if found is None:
            known = self.names()
            raise ConfigError(f"Unknown {self.kind} '{name}': expected one of {', '.join(known)}.{did_you_mean(name, known)}")
        return found


@functools.cache
def _announced(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}
