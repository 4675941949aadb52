"""Formats by name. Another package adds one by an entry point of the group ``miqd.formats`` that names a :class:`.Format`."""

from __future__ import annotations

from miqd_builder import user_code
from miqd_builder.errors import ConfigError
from miqd_builder.formats.contract import Format, Publisher, Reader, Writer
from miqd_builder.registry import Registry

FORMATS: Registry[Format] = Registry(
    "format",
    "miqd.formats",
    {
        "miqd": "miqd_builder.formats.miqd.format:MIQD",
        "huggingface": "miqd_builder.formats.huggingface.format:HUGGINGFACE",
        "pyiqa": "miqd_builder.formats.pyiqa.format:PYIQA",
        "webdataset": "miqd_builder.formats.webdataset.format:WEBDATASET",
    },
)
"""Formats by name."""


def format_of(name: str) -> Format:
    """Return a format; one of another package is imported anew if its code has changed.

    Raises:
        ConfigError: there is none of that name, or an installed package announces something else.
    """
    found = FORMATS.fresh(name)
    if not isinstance(found, Format) or found.name != name:
        raise ConfigError(f"Entry point '{name}' of {FORMATS.group} must name a Format(name='{name}', ...): got {found!r}.")
    return found


def format_code(name: str) -> dict[str, str]:
    """Return the hash of the module of a format of another package, for :func:`miqd_builder.user_code.planned` on a worker."""
    module = FORMATS.module(name)
    sha256 = None if FORMATS.shipped(name) else user_code.source_sha256(module)
    return {module: sha256} if sha256 else {}


def reader_of(form: Format) -> Reader:
    """Return how a format is read.

    Raises:
        ConfigError: it isn't.
    """
    if form.reader is None:
        raise ConfigError(f"Format {form.name} can be written but not read.")
    return form.reader


def writer_of(form: Format) -> Writer:
    """Return how a format is written.

    Raises:
        ConfigError: it isn't.
    """
    if form.writer is None and form.publisher is not None:
        raise ConfigError(f"Format {form.name} is written by 'miqd publish'.")
    if form.writer is None:
        raise ConfigError(f"Format {form.name} can be read but not written.")
    return form.writer


def publisher_of(form: Format) -> Publisher:
    """Return how a format is published as a few large files.

    Raises:
        ConfigError: it isn't.
    """
    if form.publisher is None:
        raise ConfigError(f"Format {form.name} has no form for publication: 'miqd export --format {form.name}' writes it.")
    return form.publisher
