"""The registry of distortions: one registered function with its candidates is all that a new one needs."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from degradations.candidates import Candidate
from degradations.errors import DegradationError, RegistrationError, UnknownDegradationError, nearest
from degradations.inputs import Image, check_image
from degradations.quality import N_CANDIDATES, SEVERITIES

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

Function = Callable[..., Image]
Decorated = TypeVar("Decorated", bound=Function)

_WORD = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_REGISTERED: dict[str, Distortion] = {}


@dataclass(frozen=True, slots=True)
class Distortion:
    """A distortion: how to degrade an image, and how strongly.

    Attributes:
        name: name in the degradations made of it (``<name>_1``).
        category: group for tables and audits, such as ``blur``.
        candidates: 12 parameter sets from mild to strong; 5 for a suite whose severities are fixed.
        function: ``function(prepared, *candidate)`` or ``function(prepared, *candidate, rng=generator)`` returns a new uint8
            image of the same size; ``prepared`` is the image itself where there is no ``prepare``.
        version: number of the algorithm; a higher one redoes what is stored.
        prepare: ``prepare(image)`` does what the candidates of an image share, once.
        ranked: the PSNRs of 12 candidates decide the five severities; if not, the candidates are severities 1..5.
    """

    name: str
    category: str
    candidates: tuple[Candidate, ...]
    function: Function
    version: int = 1
    prepare: Callable[[Image], Any] | None = None
    ranked: bool = True

    @property
    def random(self) -> bool:
        """Whether the function draws random numbers (has a parameter ``rng``)."""
        return "rng" in inspect.signature(self.function).parameters

    def render(self, prepared: object, candidate: int, rng: np.random.Generator) -> Image:
        """Render one candidate.

        Args:
            prepared: what ``prepare`` returned for the image, or the image.
            candidate: 1-based index.
            rng: generator of this candidate; unused by a distortion that draws nothing.
        """
        arguments = {"rng": rng} if self.random else {}
        return self.function(prepared, *self.candidates[candidate - 1], **arguments)


def register(
    name: str | None = None,
    *,
    category: str,
    candidates: Iterable[Sequence[float] | float],
    version: int = 1,
    prepare: Callable[[Image], Any] | None = None,
    ranked: bool = True,
) -> Callable[[Decorated], Decorated]:
    """Register the decorated function as a distortion and return it unchanged.

    Args:
        name: lower-case words joined by underscores; the function's own name by default.
        category: one lower-case word.
        candidates: 12 parameter sets (numbers, or tuples of numbers), mildest first; 5 if not ``ranked``.
        version: raise it whenever the pixels change, so that stored variants are redone.
        prepare: called once an image; its result takes the place of the image in the function's first argument.
        ranked: see :class:`Distortion`.

    Raises:
        RegistrationError: an argument breaks the contract, or another function has the name already.
    """

    def decorate(function: Decorated) -> Decorated:
        sets = tuple(tuple(map(float, c)) if isinstance(c, Sequence) else (float(c),) for c in candidates)
        distortion = Distortion(name or function.__name__, category, sets, function, version, prepare, ranked)
        _check(distortion)
        _REGISTERED[distortion.name] = distortion
        return function

    return decorate


def registered() -> list[Distortion]:
    """Return what is registered now: the ten of MIQD in table order, then the others by name."""
    others = sorted(_REGISTERED.keys() - set(MIQD_DISTORTIONS))
    return [_REGISTERED[name] for name in (*MIQD_DISTORTIONS, *others) if name in _REGISTERED]


def find(name: str) -> Distortion | None:
    """Return the distortion registered under ``name``, or None."""
    return _REGISTERED.get(name)


def unknown_distortion(name: str) -> UnknownDegradationError:
    """Return the error for a distortion that nobody registered, naming the nearest ones."""
    return UnknownDegradationError(f"Unknown distortion {name!r}.{nearest(name, _REGISTERED)}")


def check_result(distortion: Distortion, result: object, shape: tuple[int, ...]) -> Image:
    """Return what a distortion's function returned, if it is an image of the source's shape.

    Raises:
        DegradationError: it is not; the message names the distortion.
    """
    compact = np.ascontiguousarray(result) if isinstance(result, np.ndarray) else result
    image = check_image(compact, f"result of distortion {distortion.name!r}")
    if image.shape != shape:
        raise DegradationError(f"result of distortion {distortion.name!r}: expected shape {shape}, got {image.shape}")
    return image


def algorithm_fingerprint(distortion: Distortion) -> str:
    """Return 16 hex digits that change with the name, the candidates or the version of a distortion."""
    facts = [SHARED_VERSION, distortion.name, distortion.version, distortion.ranked, distortion.candidates]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _check(distortion: Distortion) -> None:
    name = distortion.name
    if not _WORD.fullmatch(name) or re.search(r"_\d+$|(^|_)(fg|bg)_stronger(_|$)|^original$", name):
        raise RegistrationError(
            f"Distortion name {name!r}: expected lower-case words joined by underscores, not ending in a number and without "
            "'fg_stronger' or 'bg_stronger', so that the names of its degradations can't be confused"
        )
    if not re.fullmatch(r"[a-z][a-z0-9]*", distortion.category):
        raise RegistrationError(f"Category {distortion.category!r} of distortion {name!r}: expected one lower-case word")
    if not (isinstance(distortion.version, int) and distortion.version >= 1):
        raise RegistrationError(f"Version {distortion.version!r} of distortion {name!r}: expected an integer from 1")
    _check_candidates(distortion)
    known = _REGISTERED.get(name)
    if known and (known.function.__module__, known.function.__qualname__) != (
        distortion.function.__module__,
        distortion.function.__qualname__,
    ):
        raise RegistrationError(f"Distortion {name!r} exists already, from {known.function.__module__}; choose another name")


def _check_candidates(distortion: Distortion) -> None:
    expected = N_CANDIDATES if distortion.ranked else len(SEVERITIES)
    sizes = {len(candidate) for candidate in distortion.candidates}
    if len(distortion.candidates) != expected or len(sizes) != 1:
        raise RegistrationError(
            f"Distortion {distortion.name!r}: expected {expected} candidates with equally many parameters, "
            f"got {len(distortion.candidates)} with {sorted(sizes)} parameters"
        )
    if not np.isfinite(distortion.candidates).all():
        raise RegistrationError(f"Distortion {distortion.name!r}: expected finite parameters, got {distortion.candidates}")
    arguments = {"rng": None} if distortion.random else {}
    try:
        inspect.signature(distortion.function).bind(None, *distortion.candidates[0], **arguments)
    except TypeError as error:
        raise RegistrationError(
            f"Distortion {distortion.name!r}: its function must take (image, {sizes.pop()} parameters[, rng]): {error}"
        ) from error
