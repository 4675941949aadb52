"""``croissant.json``: mandatory fields, hashes, and what ``mlcroissant`` says of it."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import logging
from collections.abc import Iterator
from typing import Any

from miqd_builder.formats.checking.findings import DataSetFolder, Finding, found
from miqd_builder.formats.publication.croissant import MANDATORY, NAME

INSTALL = "mlcroissant is not installed: pip install 'miqd-builder[publish]'"


def check_croissant(folder: DataSetFolder) -> Iterator[Finding]:
    """Check the fields, then validate and generate records, if ``mlcroissant`` is there."""
    try:
        content = json.loads((folder.path / NAME).read_bytes())
    except (OSError, ValueError) as error:
        yield Finding("Croissant", False, f"{NAME} can't be read ({error})")
        return
    lacking = [f"'{key}' is missing" for key in MANDATORY if content.get(key) in (None, "", [])]
    yield found("Croissant fields", lacking, f"the {len(MANDATORY)} on responsible use and provenance are filled")
    yield found("Croissant files", _file_problems(content, folder), "every Parquet file has the published hash")
    yield from _validate(folder)


def _file_problems(content: dict[str, Any], folder: DataSetFolder) -> list[str]:
    listed = {e["contentUrl"]: e.get("sha256") for e in content.get("distribution", []) if "contentUrl" in e}
    problems = [f"'{name}' is not in its distribution" for name in folder.parquet() if name not in listed]
    problems += [f"'{name}' is listed but not there" for name in listed if name not in folder.sizes]
    known = folder.manifest.files if folder.manifest else {}
    for name, sha256 in listed.items():
        if name in known and known[name]["sha256"] != sha256:
            problems.append(f"'{name}' has another sha256 than in the manifest")
    if folder.manifest and content.get("version") != folder.manifest.releases[0].version:
        problems.append(f"its version is {content.get('version')}, not {folder.manifest.releases[0].version}")
    return problems


def _validate(folder: DataSetFolder) -> Iterator[Finding]:
    try:
        import mlcroissant
    except ImportError:
        yield Finding("Croissant validation", None, INSTALL)
        return
    with _quiet():
        try:
            data_set = mlcroissant.Dataset(str(folder.path / NAME))
        except Exception as error:  # it raises ValidationError, ValueError, KeyError and others
            yield Finding("Croissant validation", False, f"mlcroissant: {' '.join(str(error).split())[:400]}")
            return
        warnings = sorted(data_set.metadata.ctx.issues.warnings)
        text = f"mlcroissant accepts it{f' with {len(warnings)} warnings: {warnings[0]}' if warnings else ''}"
        yield Finding("Croissant validation", True, text)
        if not folder.records:
            return
        problems, count = [], 0
        for record_set in data_set.metadata.record_sets:
            try:
                made = sum(1 for _ in itertools.islice(data_set.records(record_set.uuid), folder.records))
            except Exception as error:
                problems.append(f"{record_set.uuid}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
                continue
            count += made
            if not made:
                problems.append(f"{record_set.uuid} has no record")
    yield found("Croissant records", problems, f"{count:,} generated from {len(data_set.metadata.record_sets)} record sets")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep its log lines off the terminal; what matters is in the findings."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
