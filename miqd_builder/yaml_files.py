"""Read YAML files that people write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from miqd_builder.errors import ConfigError


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
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{kind} '{file}' is no valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{kind} '{file}' must hold {expected}.")
    return content
