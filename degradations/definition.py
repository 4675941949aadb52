"""The class of distortions, and the checks of a definition and of its results."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from degradations.candidates import Candidate
from degradations.errors import DegradationError, RegistrationError
from degradations.inputs import Image, check_image
from degradations.quality import N_CANDIDATES, SEVERITIES


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """What a codec made of an image: the decoded pixels, and the bytes that it took."""

    pixels: Image
    bytes: int


Function = Callable[..., Any]
"""Returns an image, or a codec's result."""

MOST_LEVELS = 9
"""Severities of a uniform distortion: one digit in its names."""

_WORD = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Distortion:
    """A distortion: how to degrade an image, and how strongly.

    Attributes:
        name: name in the degradations made of it (``<name>_1``).
        category: group for tables and audits, such as ``blur``.
        candidates: 12 parameter sets from mild to strong; 5 for a suite whose severities are fixed; 1 to 9 if not ``regional``.
        function: ``function(prepared, *candidate)`` or ``function(prepared, *candidate, rng=generator)`` returns a new uint8
            image of the same size, or a :class:`Coded` one; ``prepared`` is the image itself where there is no ``prepare``.
        version: number of the algorithm; a higher one redoes what is stored.
        prepare: ``prepare(image)`` does what the candidates of an image share, once.
        ranked: the PSNRs of 12 candidates decide the five severities; if not, the candidates are severities 1..5.
        regional: whether ROI and background may have different severities; if not, there are as many as candidates.
        source_sha256: hash of the file of a plug-in's function; empty for the project's own, for which ``version`` is enough.
    """

    name: str
    category: str
    candidates: tuple[Candidate, ...]
    function: Function
    version: int = 1
    prepare: Callable[[Image], Any] | None = None
    ranked: bool = True
    source_sha256: str = ""
    regional: bool = True

    @property
    def severities(self) -> tuple[int, ...]:
        """Its severities, mildest first: 1..5, or as many as it has candidates if it is uniform only."""
        return SEVERITIES if self.regional else tuple(range(1, len(self.candidates) + 1))

    @property
    def random(self) -> bool:
        """Whether the function draws random numbers (has a parameter ``rng``)."""
        return "rng" in inspect.signature(self.function).parameters

    def render(self, prepared: object, candidate: int, rng: np.random.Generator) -> Any:
        """Render one candidate.

        Args:
            prepared: what ``prepare`` returned for the image, or the image.
            candidate: 1-based index.
            rng: generator of this candidate; unused by a distortion that draws nothing.
        """
        arguments = {"rng": rng} if self.random else {}
        return self.function(prepared, *self.candidates[candidate - 1], **arguments)


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


def check_definition(distortion: Distortion) -> None:
    """Check what a distortion was registered with.

    Raises:
        RegistrationError: it breaks the contract.
    """
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


def _check_candidates(distortion: Distortion) -> None:
    fixed = range(len(SEVERITIES), len(SEVERITIES) + 1) if distortion.regional else range(1, MOST_LEVELS + 1)
    counts = range(N_CANDIDATES, N_CANDIDATES + 1) if distortion.ranked else fixed
    sizes = {len(candidate) for candidate in distortion.candidates}
    if len(distortion.candidates) not in counts or len(sizes) != 1:
        expected = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
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
