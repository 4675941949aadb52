"""Every package is pinned to one version."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

import pytest

from tests.conftest import ROOT


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement)[0]).lower()


def lines_of(file: str) -> list[str]:
    return [line for line in (ROOT / file).read_text().splitlines() if line and not line.startswith("#")]


def pins() -> dict[str, set[str]]:
    """Versions by package; several only where markers tell them apart."""
    lines = lines_of("constraints.txt")
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


def test_each_pinned_version_has_hashes() -> None:
    hashed: dict[str, list[str]] = {}
    for line in lines_of("hashes.txt"):
        if line.startswith(" "):
            hashed[list(hashed)[-1]].append(line.strip(" \\"))
        else:
            hashed[line.strip(" \\")] = []
    assert sorted(hashed) == sorted(lines_of("constraints.txt"))
    for requirement, hashes in hashed.items():
        assert hashes and all(re.fullmatch("--hash=sha256:[0-9a-f]{64}", one) for one in hashes), requirement


def test_what_is_installed_is_what_is_pinned() -> None:
    pinned = pins()
    found = {name_of(one.metadata["Name"]): one.version for one in metadata.distributions() if one.metadata["Name"]}
    known = found.keys() & pinned.keys()
    others = {name: (found[name], pinned[name]) for name in known if found[name] not in pinned[name]}
    if others:
        pytest.skip(f"another environment than that of make setup: {others}")
    assert len(known) > 100
