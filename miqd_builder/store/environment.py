"""What a run was computed with: packages, code, operating system, processor, GPU."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

PROJECT = "miqd-builder"

_ROOT = Path(__file__).resolve().parents[2]


def machine() -> dict[str, str | int | None]:
    """Describe this machine and this code.

    ``gpu`` is None without one, and in commands that don't load PyTorch. ``git`` is the commit of a
    checkout, with ``-dirty`` behind it where files were changed; None for an installed package.
    """
    return {"os": platform.platform(), "cpu": _cpu(), "cores": os.cpu_count(), "gpu": _gpu(), "git": _git_revision()}


def package_versions() -> dict[str, str]:
    """Return the versions of Python, of this project and of what it directly depends on, as far as it is installed."""
    versions = {PROJECT: importlib.metadata.version(PROJECT)}
    for requirement in importlib.metadata.requires(PROJECT) or []:
        package = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {"python": platform.python_version(), **dict(sorted(versions.items()))}


def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _gpu() -> str | None:
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name(0) if torch is not None and torch.cuda.is_available() else None


def _git_revision() -> str | None:
    if not (_ROOT / ".git").exists():
        return None
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
