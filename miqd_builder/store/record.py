"""``run.json``: what a run folder was made with, and which source image is in which part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.sources.base import some
from miqd_builder.store.checksum import BLANK, KEY, is_sealed, seal
from miqd_builder.store.environment import machine, package_versions
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.schema import SCHEMA_VERSION

NAME = "run.json"


@dataclass
class RunRecord:
    """The settings that decide every pixel, the assignment of sources to parts, and the stages' resolved run files.

    Attributes:
        seed: run seed.
        images: png or none.
        roi: kind of the ROI masks.
        degradations: names, in canonical order.
        parts: ids of the source images in each part; once assigned, an image stays in its part.
        stages: resolved run file of each stage, for example ``label det``.
        full_reference: measures beside PSNR that ``variants`` holds; once asked for, they stay.
        versions: Python and packages that the last stage ran with.
        environment: operating system, processor, GPU and commit that the last stage ran with.
        hashes: of each stage, SHA-256 of its resolved run file and its zoo files, and the fingerprint of each model.
        schema_version: of the tables.
    """

    seed: int
    images: str
    roi: str
    degradations: list[str]
    parts: list[list[str]] = field(default_factory=list)
    stages: dict[str, Any] = field(default_factory=dict)
    full_reference: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    hashes: dict[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def load(cls, folder: RunFolder) -> RunRecord | None:
        """Read the record of a run folder; None where there is no run.

        Raises:
            StoreError: the file is damaged or of another schema version.
        """
        if not folder.exists(NAME):
            return None
        data = folder.read(NAME)
        try:
            content = json.loads(data)
            if content.pop(KEY, None) is not None and not is_sealed(data):
                raise ValueError("its bytes are not those that its checksum was made of")
            version = content["schema_version"]
            if version != SCHEMA_VERSION:
                raise StoreError(
                    f"'{folder.path(NAME)}' has schema version {version}, this code writes {SCHEMA_VERSION}: use another --out."
                )
            return cls(**content)
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(f"'{folder.path(NAME)}' is damaged ({error}): restore it or use another --out.") from error

    @classmethod
    def for_run(cls, folder: RunFolder, config: RunConfig, degradations: Sequence[str]) -> RunRecord:
        """Return the folder's record, extended by new degradations, or a new one.

        Raises:
            ConfigError: the folder holds a run with other settings, which going on would overwrite.
        """
        record = cls.load(folder)
        if record is None:
            record = cls(config.seed, config.images, config.roi.kind, list(degradations))
        else:
            record._refuse_other_settings(folder, config, degradations)
            record.degradations = list(degradations)
        record.full_reference = sorted({*record.full_reference, *config.full_reference})
        return record

    def _refuse_other_settings(self, folder: RunFolder, config: RunConfig, degradations: Sequence[str]) -> None:
        there_and_asked = {
            "seed": (self.seed, config.seed),
            "images": (self.images, config.images),
            "roi.kind": (self.roi, config.roi.kind),
        }
        for name, (there, asked) in there_and_asked.items():
            if there != asked:
                raise ConfigError(
                    f"Run folder '{folder.url}' was made with {name} = {there}, not {asked}: use it as it is, or another --out."
                )
        lost = [name for name in self.degradations if name not in set(degradations)]
        if lost:
            raise ConfigError(
                f"Run folder '{folder.url}' holds {len(self.degradations)} degradations, {len(lost)} of which this run "
                f"doesn't ask for ({some(lost)}): ask for them too, or use another --out."
            )

    def assign(self, source_ids: Sequence[str], sources_per_part: int) -> list[int]:
        """Put images that have no part yet into new parts and return the numbers of the parts that hold the given images."""
        part_of = {source_id: number for number, part in enumerate(self.parts) for source_id in part}
        new = [source_id for source_id in source_ids if source_id not in part_of]
        for start in range(0, len(new), sources_per_part):
            chunk = new[start : start + sources_per_part]
            part_of |= dict.fromkeys(chunk, len(self.parts))
            self.parts.append(chunk)
        return sorted({part_of[source_id] for source_id in source_ids})

    def save(self, folder: RunFolder, stage: str, config: RunConfig, *, zoo: dict[str, Any] | None = None) -> None:
        """Write the record, with the resolved run file of the stage that is about to start and what it will run with.

        Args:
            folder: the run folder.
            stage: for example ``label det``.
            config: its resolved run file.
            zoo: hashes of the stage's zoo files and models.
        """
        self.stages[stage] = config.model_dump(mode="json")
        self.hashes[stage] = {"run_file": hashlib.sha256(config.model_dump_json().encode()).hexdigest(), **(zoo or {})}
        self.write(folder)

    def write(self, folder: RunFolder) -> None:
        """Write the record as it is, with the versions and the machine of now."""
        self.versions, self.environment = package_versions(), machine()
        folder.write(NAME, seal(json.dumps({KEY: BLANK, **asdict(self)}, indent=1).encode()))
