"""All checks of a published data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.formats.checking.card import check_card
from miqd_builder.formats.checking.croissant import check_croissant
from miqd_builder.formats.checking.files import check_files
from miqd_builder.formats.checking.findings import DataSetFolder, Finding
from miqd_builder.formats.checking.licences import check_licences
from miqd_builder.formats.checking.limits import check_limits
from miqd_builder.formats.checking.parquet import check_parquet
from miqd_builder.formats.publication.manifest import read_manifest
from miqd_builder.store.folder import RunFolder

CHECKS = (check_limits, check_files, check_parquet, check_card, check_licences)
"""Of every data set; Croissant is checked where Parquet files are."""
NOT_PUBLISHED = (".git/", ".cache/", ".gitattributes", ".gitignore")


@dataclass(frozen=True, slots=True)
class PublicationCheck:
    """What the checks of a data set found.

    Attributes:
        folder: of the data set.
        findings: what passes, what to mend, and what could not be checked.
    """

    folder: str
    findings: tuple[Finding, ...]

    @property
    def passes(self) -> bool:
        """Whether there is nothing to mend."""
        return all(finding.passes is not False for finding in self.findings)


def check_folder(path: Path, *, records: int) -> PublicationCheck:
    """Check a published data set; nothing is fetched.

    Args:
        path: its folder.
        records: records of each set to generate through Croissant; 0 for none.

    Raises:
        ConfigError: there is no such folder, or nothing in it.
    """
    if not path.is_dir():
        raise ConfigError(f"'{path}' is no folder: give that of a published data set.")
    target = RunFolder(str(path.resolve()))
    sizes = {name: size for name, size in target.sizes().items() if not name.startswith(NOT_PUBLISHED)}
    if not sizes:
        raise ConfigError(f"'{path}' is empty: publish something there first.")
    try:
        manifest = read_manifest(target)
    except StoreError as error:
        return PublicationCheck(str(path), (Finding("manifest", False, str(error)),))
    folder = DataSetFolder(path.resolve(), sizes, manifest, records)
    checks = (*CHECKS, check_croissant) if folder.parquet() else CHECKS
    return PublicationCheck(str(path), tuple(finding for check in checks for finding in check(folder)))
