"""Consent to code: zoo files, run files, recipes and run folders may name modules and configs, which run when they are used.

Whoever gives away a data set with a zoo file can lay a module beside it. So code in a folder that bears the marks of a data set
or of a run runs only if the folder is one of those that ``MIQD_TRUST`` lists. Where that variable is set, be it empty, the same
holds for all code that is neither installed nor part of this project. Nothing that is read can set the variable.
"""

from __future__ import annotations

import functools
import os
import site
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from miqd_builder.errors import ConfigError

VARIABLE = "MIQD_TRUST"
"""Environment variable: folders whose code may run, separated as those of ``PATH``."""
MARKS = ("croissant.json", "dataset_infos.json", "recipe/manifest.json", "run.json")
"""What data sets and run folders hold; beside these, a ``README.md`` that begins like the card of a data set or a model."""

_ROOT = Path(__file__).resolve().parents[1]
_OURS = ("degradations", "miqd_builder", "machine_iqa", "pipelines", "model_zoo_configs", "benchmarks", "tests")
PROJECT = tuple(_ROOT / name for name in _OURS)
"""Folders of this project; beside them, in a checkout, people keep data."""


def check_module(module: str, named_by: str) -> None:
    """Make sure that a module that is named in a file may be imported; nothing is imported here.

    Args:
        module: dotted name.
        named_by: what names it, for the message: ``Model 'x'``.

    Raises:
        ConfigError: it is part of Python itself, or needs a consent that nobody gave; names the remedy.
    """
    from miqd_builder.source_snapshot import module_file

    top = module.partition(".")[0]
    if top in sys.stdlib_module_names and top != "__main__":
        raise ConfigError(
            f"{named_by} names module '{module}', which is part of Python: it holds nothing that can be used here."
        )
    file = module_file(module)
    if file is not None and module != "__main__" and not _is_installed(top):
        check_file(Path(file), f"{named_by} names module '{module}'")


def check_file(file: Path, named_by: str) -> None:
    """Make sure that a file of code may run.

    Args:
        file: a module or a config.
        named_by: what names it, for the message: ``Model 'x' has a config of its own``.

    Raises:
        ConfigError: it needs a consent that nobody gave; names the remedy.
    """
    place = file.resolve()
    if any(place.is_relative_to(folder) for folder in (*PROJECT, *_site_folders(), *trusted_folders())):
        return
    came_with = data_set_around(place)
    if came_with is not None:
        reason = f"is code that came with the data set or run folder '{came_with}'"
    elif VARIABLE in os.environ:
        reason = f"is code that is not installed, and {VARIABLE} is set and doesn't list its folder"
    else:
        return
    raise ConfigError(
        f"{named_by}: '{place}' {reason}. Read it; if you trust it, set the environment variable {VARIABLE}={place.parent} "
        f"(folders, separated by '{os.pathsep}'), on workers too."
    )


def data_set_around(file: Path) -> Path | None:
    """Return the folder above a file that bears the marks of a data set, a model repository or a run; None without.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     folder = Path(name)
        ...     (folder / "croissant.json").touch()
        ...     data_set_around(folder / "code" / "models.py") == folder
        True
    """
    return next(
        (folder for folder in file.parents if any((folder / mark).exists() for mark in MARKS) or _has_card(folder)), None
    )


def _has_card(folder: Path) -> bool:
    try:
        with (folder / "README.md").open("rb") as lines:
            return lines.readline().rstrip() == b"---"
    except OSError:
        return False


def trusted_folders() -> tuple[Path, ...]:
    """Return the folders whose code the user trusts."""
    listed = os.environ.get(VARIABLE, "").split(os.pathsep)
    return tuple(Path(folder).expanduser().resolve() for folder in listed if folder)


@functools.cache
def _site_folders() -> tuple[Path, ...]:
    """Folders into which packages are installed."""
    names = {*site.getsitepackages(), site.getusersitepackages()}
    names |= {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    return tuple(Path(name).resolve() for name in names)


def _is_installed(top: str) -> bool:
    """Tell whether an installed package has this top-level module: one that is installed as editable lies anywhere."""
    return top in _installed()


@functools.cache
def _installed() -> frozenset[str]:
    return frozenset(metadata.packages_distributions())
