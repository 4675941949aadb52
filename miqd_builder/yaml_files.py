"""Read YAML files that people write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from miqd_builder.errors import ConfigError

MAX_VALUES = 1_000_000
"""Values of the largest file that is taken, those of aliases counted wherever they are used."""


def read_mapping(kind: str, file: Path, expected: str) -> dict[str, Any]:
    """Return the fields of a YAML file, read without running anything that it may ask for.

    Args:
        kind: what the file is, for the message: "Run file".
        file: its path.
        expected: what it must hold, for the message: "fields such as 'out' and 'source'".

    Raises:
        ConfigError: the file can't be read, is no YAML or holds something else.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{kind} '{file}' can't be read ({error.strerror}).") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # dates and numbers that there are none of are ValueErrors
        raise ConfigError(f"{kind} '{file}' is no valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"{kind} '{file}' is nested too deep: write it with fewer levels.") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{kind} '{file}' must hold {expected}.")
    if problem := _problem(content):
        raise ConfigError(f"{kind} '{file}' {problem}.")
    return content


def _problem(content: Any) -> str | None:
    """Say what no file that people write holds: aliases that unfold into millions of values, or halves of characters."""
    waiting, count = [content], 0
    while waiting:
        value = waiting.pop()
        count += 1
        if count > MAX_VALUES:
            return f"unfolds into more than {MAX_VALUES} values: write it without aliases"
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, str) and not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            return f"holds {value[:40]!a}, which is no text"
    return None
