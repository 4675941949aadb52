"""Every package is pinned to one version."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

import pytest

from tests.conftest import ROOT


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement)[0]).lower()


def pins() -> dict[str, set[str]]:
    """Versions by package; several only where markers tell them apart."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    found: dict[str, set[str]] = {}
    for line in lines:
        version, marker, _ = line.partition("==")[2].partition(";")
        assert re.fullmatch(r"[\w.+!]+", version.strip()), f"no exact version: {line}"
        assert marker or name_of(line) not in found, f"two versions: {line}"
        found.setdefault(name_of(line), set()).add(version.strip())
    return found


def test_all_that_the_project_asks_for_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(one for name in ("dev", "s3") for one in extras[name])]
    assert [one for one in asked if name_of(one) not in pins()] == []


def test_what_is_installed_is_what_is_pinned() -> None:
    pinned = pins()
    found = {name_of(one.metadata["Name"]): one.version for one in metadata.distributions() if one.metadata["Name"]}
    known = found.keys() & pinned.keys()
    others = {name: (found[name], pinned[name]) for name in known if found[name] not in pinned[name]}
    if others:
        pytest.skip(f"another environment than that of make setup: {others}")
    assert len(known) > 100
