"""The registry of distortions: one registered function with its candidates is all that a new one needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any, TypeVar

from degradations.definition import Distortion, Function, check_definition
from degradations.errors import RegistrationError, UnknownDegradationError, nearest
from degradations.inputs import Image
from degradations.origin import is_ours, module_of, source_sha256

MIQD_DISTORTIONS = (
    "contrast",
    "pixelate",
    "jpeg_compression",
    "motion_blur",
    "defocus_blur",
    "glass_blur",
    "fog",
    "snow",
    "darkness",
    "gaussian_noise",
)
"""The ten distortions of the database, in the order of its table; everything else follows them by name."""

SHARED_VERSION = 1
"""Version of what the pixels of all distortions depend on: random keys, ranking, region blends. Raise it when one changes."""

Decorated = TypeVar("Decorated", bound=Function)

_REGISTERED: dict[str, Distortion] = {}
_MODULES: dict[str, ModuleType | None] = {}
"""The module object of each distortion's function: the code in memory, not its name."""


def register(
    name: str | None = None,
    *,
    category: str,
    candidates: Iterable[Sequence[float] | float],
    version: int = 1,
    prepare: Callable[[Image], Any] | None = None,
    ranked: bool = True,
    regional: bool = True,
) -> Callable[[Decorated], Decorated]:
    """Register the decorated function as a distortion and return it unchanged.

    Args:
        name: lower-case words joined by underscores; the function's own name by default.
        category: one lower-case word.
        candidates: 12 parameter sets (numbers, or tuples of numbers), mildest first; 5 if not ``ranked``, 1 to 9 if not
            ``regional`` either.
        version: raise it whenever the pixels change, so that stored variants are redone. An edit of the function's file does
            so by itself, outside this project; a change in what the file imports doesn't.
        prepare: called once an image; its result takes the place of the image in the function's first argument.
        ranked: see :class:`Distortion`.
        regional: see :class:`Distortion`; a ranked distortion is.

    Raises:
        RegistrationError: an argument breaks the contract, or another function has the name already.
    """

    def decorate(function: Decorated) -> Decorated:
        sets = tuple(tuple(map(float, c)) if isinstance(c, Sequence) else (float(c),) for c in candidates)
        distortion = Distortion(
            name or function.__name__, category, sets, function, version, prepare, ranked, source_sha256(function), regional
        )
        check_definition(distortion)
        _check_new(distortion)
        _REGISTERED[distortion.name], _MODULES[distortion.name] = distortion, module_of(function)
        return function

    return decorate


def registered() -> list[Distortion]:
    """Return what is registered now: the ten of MIQD in table order, then the others by name."""
    for name in list(_REGISTERED):
        find(name)
    others = sorted(_REGISTERED.keys() - set(MIQD_DISTORTIONS))
    return [_REGISTERED[name] for name in (*MIQD_DISTORTIONS, *others) if name in _REGISTERED]


def find(name: str) -> Distortion | None:
    """Return the distortion registered under ``name``, or None.

    A distortion is forgotten if its module was dropped or imported anew since and didn't register it again.
    """
    found = _REGISTERED.get(name)
    if found is None or is_ours(found.function):
        return found
    current = module_of(found.function)
    if current is not _MODULES.get(name, current):
        forget([name])
    return _REGISTERED.get(name)


def forget(names: Iterable[str]) -> None:
    """Take distortions out of the registry."""
    for name in names:
        _REGISTERED.pop(name, None)
        _MODULES.pop(name, None)


def unknown_distortion(name: str) -> UnknownDegradationError:
    """Return the error for a distortion that is not registered, naming the nearest ones."""
    return UnknownDegradationError(f"Unknown distortion {name!r}.{nearest(name, _REGISTERED)}")


def algorithm_hash(distortion: Distortion) -> str:
    """Return 16 hex digits that change with the name, candidates or version of a distortion, or the file of a plug-in's."""
    facts = [SHARED_VERSION, distortion.name, distortion.version, distortion.ranked, distortion.candidates]
    if distortion.source_sha256:
        facts.append(distortion.source_sha256)
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _check_new(distortion: Distortion) -> None:
    name, known = distortion.name, find(distortion.name)
    if known and (known.function.__module__, known.function.__qualname__) != (
        distortion.function.__module__,
        distortion.function.__qualname__,
    ):
        raise RegistrationError(f"Distortion {name!r} exists already, from {known.function.__module__}; choose another name")
