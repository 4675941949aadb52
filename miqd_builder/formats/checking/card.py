"""``README.md``: its header for the Hub, and its sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any

from miqd_builder.formats.checking.findings import DataSetFolder, Finding, found
from miqd_builder.formats.publication.card import NAME, TASK_CATEGORIES, header_of
from miqd_builder.formats.publication.licences import LICENCES

DATA = (".parquet", ".tar")
SECTIONS = ("Splits", "How it was made", "Sources and licences", "Uses", "Limitations", "Biases", "Versions", "Citation")


def check_card(folder: DataSetFolder) -> Iterator[Finding]:
    """Read the card."""
    try:
        data = (folder.path / NAME).read_bytes()
        header = header_of(data)
    except (OSError, ValueError) as error:
        yield Finding("card", False, f"{NAME} can't be used: {error}")
        return
    problems = [f"it has no section '{name}'" for name in SECTIONS if f"\n## {name}\n" not in data.decode()]
    problems += _header_problems(header)
    yield found("card", problems, f"licence {header.get('license')}, {len(header.get('configs', []))} configurations")
    if header.get("configs") or folder.parquet():
        yield found("configurations", _config_problems(header, folder), "their patterns cover every data file once")


def _header_problems(header: Mapping[str, Any]) -> list[str]:
    problems = []
    licence = header.get("license")
    if licence == "other":
        if not str(header.get("license_link", "")).startswith("http"):
            problems.append("license is 'other': give license_link")
    elif licence not in LICENCES:
        problems.append(f"license is {licence!r}: give an identifier of the Hub")
    unknown = [name for name in header.get("task_categories", []) if name not in TASK_CATEGORIES.values()]
    problems += [f"unknown task category {name!r}" for name in unknown]
    problems += [f"it has no {key}" for key in ("pretty_name", "task_categories", "size_categories") if not header.get(key)]
    return problems


def _config_problems(header: Mapping[str, Any], folder: DataSetFolder) -> list[str]:
    """Patterns that match nothing, and data files that no pattern or several match."""
    problems = []
    owners: dict[str, list[str]] = {name: [] for name in folder.sizes if name.endswith(DATA)}
    for config in header.get("configs", []):
        for entry in config.get("data_files", []):
            matching = [name for name in owners if _matches(name, entry["path"])]
            if not matching:
                problems.append(f"'{entry['path']}' of {config['config_name']} matches no file")
            for name in matching:
                owners[name].append(config["config_name"])
                if not name.rpartition("/")[2].startswith(f"{entry['split']}-"):
                    problems.append(f"'{name}' is in split {entry['split']}")
    problems += [f"'{name}' is in no configuration" for name, found_in in owners.items() if not found_in]
    problems += [f"'{name}' is in {len(found_in)} configurations" for name, found_in in owners.items() if len(found_in) > 1]
    return problems


def _matches(name: str, pattern: str) -> bool:
    """Whether a path matches a pattern whose stars don't reach over a slash."""
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatch, parts, wanted))
