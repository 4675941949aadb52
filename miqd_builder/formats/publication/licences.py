"""Licences: of a data set, of each photograph, and which images may not be passed on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.formats.publication.described import ImagePolicy
from miqd_builder.sources.config import SourceConfig
from miqd_builder.sources.files import NamedFile

_SPDX = "https://spdx.org/licenses/{}.html"
_SPDX_NAMES = (
    *(f"CC-{terms}-{version}" for terms in ("BY", "BY-SA", "BY-NC", "BY-ND") for version in ("2.0", "2.5", "3.0", "4.0")),
    *(f"CC-BY-NC-{terms}-{version}" for terms in ("SA", "ND") for version in ("2.0", "3.0", "4.0")),
    *("CC0-1.0", "ODbL-1.0", "ODC-By-1.0", "PDDL-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0"),
    *("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "GPL-3.0-only", "AGPL-3.0-only", "ISC", "Unlicense"),
)
_HUB_NAMES = {
    "ODbL-1.0": "odbl",
    "ODC-By-1.0": "odc-by",
    "PDDL-1.0": "pddl",
    "GPL-3.0-only": "gpl-3.0",
    "AGPL-3.0-only": "agpl-3.0",
}
LICENCES = {_HUB_NAMES.get(name, name.lower()): _SPDX.format(name) for name in _SPDX_NAMES}
"""Address of each licence by its identifier on the Hub."""

RESTRICTED = {"imagenet": "ImageNet's terms of access allow research use of its images, not passing them on"}
"""Source kinds whose images may not be passed on, and why."""


@dataclass(frozen=True, slots=True)
class PhotoLicence:
    """The licence of one photograph, as an annotation file states it.

    Attributes:
        name, url: of the licence; None where none is stated.
        origin: address that the photograph was taken from; None where none is stated.
    """

    name: str | None = None
    url: str | None = None
    origin: str | None = None


def check_licence(licence: str | None) -> str:
    """Return the licence of a data set.

    Raises:
        ConfigError: none is given, or it is neither an identifier that the Hub knows nor an address.
    """
    if not licence:
        raise ConfigError(
            "Under which licence? Give --licence, such as cc-by-4.0 for labels that you made; images keep their own licences."
        )
    if licence.startswith(("https://", "http://")) or licence in LICENCES:
        return licence
    raise ConfigError(
        f"Unknown licence '{licence}': give an identifier of the Hub or the address of a licence's text."
        f"{did_you_mean(licence.lower(), LICENCES)}"
    )


def licence_url(licence: str) -> str:
    """Return the address of a licence that :func:`check_licence` let through."""
    return LICENCES.get(licence, licence)


def restriction(kinds: Sequence[str]) -> str | None:
    """Say why images of sources of these kinds may not be passed on; None if nothing is known against it."""
    return next((RESTRICTED[kind] for kind in kinds if kind in RESTRICTED), None)


def image_policy(wanted: ImagePolicy | None, kinds: Sequence[str], default: ImagePolicy, *, may_pass_on: bool) -> ImagePolicy:
    """Return whose images are embedded: what was asked for, else the format's default, or none where they may not be.

    Args:
        wanted: what the user asked for; None for nothing.
        kinds: of the sources.
        default: of the format.
        may_pass_on: whether the user said that the images may be passed on.

    Raises:
        ConfigError: images were asked for that may not be passed on.
    """
    reason = restriction(kinds)
    if reason is None or may_pass_on:
        return wanted or default
    if wanted in (None, "none"):
        return "none"
    raise ConfigError(
        f"The images of this run are not embedded: {reason}. Publish with --images none (the recipe regenerates them), or, if "
        "you do have the right, add --i-may-pass-on-the-images."
    )


def photo_licences(config: SourceConfig) -> dict[str, PhotoLicence]:
    """Return the licence of each photograph by source id, from the annotation file; empty where it states none."""
    if config.annotations is None or not config.annotations.is_file():
        return {}
    content = _read(config.annotations)
    licences = {licence.get("id"): licence for licence in content.get("licenses") or []}
    found = {}
    for entry in content.get("images") or []:
        file = NamedFile.below(config.images, str(entry.get("file_name", "")), recursive=config.recursive)
        licence = licences.get(entry.get("license"), {})
        origin = entry.get("flickr_url") or entry.get("coco_url")
        found[file.source_id] = PhotoLicence(_text(licence, "name"), _text(licence, "url"), origin and str(origin))
    return found


def _read(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"Annotation file '{file}' can't be read for the licences of the images ({error}).") from None
    return content if isinstance(content, dict) else {}


def _text(entry: Mapping[str, Any], key: str) -> str | None:
    value = entry.get(key)
    return str(value) if value else None
