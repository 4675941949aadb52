"""A hash of this project's code: as it was when this process imported it, and as it is on disk now."""

from __future__ import annotations

import hashlib
from pathlib import Path

_PACKAGES = ("degradations", "miqd_builder", "pipelines")


def code_hash() -> str:
    """Return a hash of this project's Python files as they are on disk now."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for file in sorted(file for package in _PACKAGES for file in (root / package).rglob("*.py")):
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


CODE_IN_MEMORY = code_hash()
"""The files as they were when this process imported them: one that is older than an edit of them runs other code."""
