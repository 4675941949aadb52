"""Names of degradations: what they are made of, how they are listed, parsed and selected."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from degradations.definition import Distortion
from degradations.errors import UnknownDegradationError, nearest
from degradations.plugins import distortion as find_distortion
from degradations.plugins import distortions as all_distortions
from degradations.quality import SEVERITIES
from degradations.registry import MIQD_DISTORTIONS

Region = Literal["uniform", "roi", "background"]

_UNIFORM = re.compile(r"(?P<distortion>\w+)_(?P<severity>[1-9])")
_REGIONAL = re.compile(r"(?P<distortion>\w+)_(?P<stronger>fg|bg)_stronger_fg(?P<roi>[1-5])_bg(?P<background>[1-5])")


@dataclass(frozen=True, slots=True)
class Degradation:
    """One way to degrade an image: a distortion with a severity in the ROI and one in the background.

    Attributes:
        name: such as ``fog_3`` or ``snow_fg_stronger_fg5_bg2``.
        distortion: name of the distortion.
        category: category of the distortion: ``digital``, ``blur``, ``environment``, ``noise`` or a plug-in's own.
        region: where the distortion is stronger: ``roi``, ``background``, or ``uniform`` if nowhere.
        roi_severity: 1..5.
        bg_severity: 1..5, equal to ``roi_severity`` if and only if uniform.
    """

    name: str
    distortion: str
    category: str
    region: Region
    roi_severity: int
    bg_severity: int


# The published order: within a region, the milder severity rises first for fg_stronger, the ROI's for bg_stronger.
_REGIONAL_SUFFIXES = (
    *(f"fg_stronger_fg{roi}_bg{bg}" for bg in SEVERITIES for roi in SEVERITIES if roi > bg),
    *(f"bg_stronger_fg{roi}_bg{bg}" for roi in SEVERITIES for bg in SEVERITIES if bg > roi),
)


def names(distortions: Iterable[str] | None = None) -> list[str]:
    """Return the 25 names of each distortion: uniform 1..5, then 10 ROI-dominated, then 10 background-dominated pairs.

    Of a distortion that is uniform only, such as a codec: its uniform ones.

    Args:
        distortions: names of distortions; the ten of MIQD by default, which makes 250.

    Raises:
        UnknownDegradationError: a distortion is not registered.

    Examples:
        >>> len(names()), names(["fog"])[4:6]
        (250, ['fog_5', 'fog_fg_stronger_fg2_bg1'])
    """
    chosen = [find_distortion(name) for name in (MIQD_DISTORTIONS if distortions is None else distortions)]
    return [f"{one.name}_{suffix}" for one in chosen for suffix in _suffixes(one)]


def _suffixes(distortion: Distortion) -> tuple[str, ...]:
    uniform = tuple(map(str, distortion.severities))
    return (*uniform, *_REGIONAL_SUFFIXES) if distortion.regional else uniform


def parse(name: str) -> Degradation:
    """Return what a name stands for.

    Raises:
        UnknownDegradationError: no registered distortion makes this name; the message has the nearest ones.

    Examples:
        >>> parse("snow_fg_stronger_fg5_bg2").region
        'roi'
    """
    parts = _split(name)
    if parts is None:
        raise _unknown(name)
    distortion, region, roi, background = parts
    try:
        found = find_distortion(distortion)
    except UnknownDegradationError as error:
        raise _unknown(name) from error
    if roi not in found.severities or not (found.regional or region == "uniform"):
        raise _unknown(name)
    return Degradation(name, distortion, found.category, region, roi, background)


def select(patterns: Iterable[str]) -> list[str]:
    """Return the names that match any of the patterns, in canonical order, each once.

    Args:
        patterns: names or shell globs (``fog_*``, ``*_[45]``). A glob means those of the 250 that match; only if none
            does, those of the further distortions (``frost_*``), so that nothing joins a run unasked.

    Raises:
        UnknownDegradationError: a pattern matches nothing, or there is no pattern.

    Examples:
        >>> select(["fog_[45]", "contrast_1"])
        ['contrast_1', 'fog_4', 'fog_5']
    """
    if isinstance(patterns, str):
        patterns = [patterns]
    known = names(distortion.name for distortion in all_distortions())
    everything, standard, matched = set(known), names(), set[str]()
    for pattern in patterns:
        # A plain name is looked up; only globs are compared with every name.
        found = [pattern] if pattern in everything else fnmatch.filter(standard, pattern) or fnmatch.filter(known, pattern)
        if not found:
            raise _unknown(pattern)
        matched.update(found)
    if not matched:
        raise UnknownDegradationError("No degradation selected: expected at least one name or pattern such as 'fog_*'")
    return [name for name in known if name in matched]


def _split(name: str) -> tuple[str, Region, int, int] | None:
    if match := _UNIFORM.fullmatch(name):
        severity = int(match["severity"])
        return match["distortion"], "uniform", severity, severity
    match = _REGIONAL.fullmatch(name)
    if match is None:
        return None
    roi, background = int(match["roi"]), int(match["background"])
    if roi == background or (roi > background) != (match["stronger"] == "fg"):
        return None
    return match["distortion"], "roi" if roi > background else "background", roi, background


def _unknown(name: str) -> UnknownDegradationError:
    known = names(distortion.name for distortion in all_distortions())
    return UnknownDegradationError(f"Unknown degradation {name!r}.{nearest(name, known)}")
