"""``run.json``: the settings that a run folder was made with, and the assignment of source images to parts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import ValidationError

from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.sources.base import some
from miqd_builder.store.checksum import BLANK, KEY, is_sealed, seal
from miqd_builder.store.environment import machine, package_versions
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.keys import Command, CommandKey
from miqd_builder.store.stored_json import of_json, parse
from miqd_builder.tasks import Task

NAME = "run.json"
LAYOUT = 3
"""Version of the run folder. 1 had the candidates' PSNRs in the footers of ``variants``, and commands as words in a string; 1
and 2 had SSIM and MS-SSIM as columns of ``variants``, where a run asked for them."""

_NOT_IN_NAMES = re.compile(r"[\x00-\x1f/\\]")


@dataclass(frozen=True)
class CommandRecord:
    """What a command last ran with, for one task.

    Attributes:
        command, task: which one, as in :class:`CommandKey`.
        config: its resolved run file; for ``import``, what was read.
        hashes: SHA-256 of the resolved run file and of the zoo files, content hash of each model.
    """

    command: Command
    task: Task | None
    config: dict[str, Any]
    hashes: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> CommandKey:
        """What the command is called."""
        return CommandKey(self.command, self.task)

    def run_file(self, folder: RunFolder) -> RunConfig:
        """Return the resolved run file of a command other than ``import``.

        Raises:
            StoreError: this version can't read it.
        """
        try:
            # A field of earlier run files, which said what the columns of variants are.
            return RunConfig.model_validate({name: value for name, value in self.config.items() if name != "full_reference"})
        except ValidationError as error:
            raise StoreError(
                f"'{folder.path(NAME)}' holds a run file of {self.key} that this version can't read ({error})."
            ) from None


@dataclass
class RunRecord:
    """The settings that decide every pixel, the assignment of sources to parts, and the stages' resolved run files.

    Attributes:
        seed: run seed.
        images: png or none.
        roi: kind of the ROI masks.
        degradations: names, in canonical order.
        parts: ids of the source images in each part; once assigned, an image stays in its part.
        commands: what each command last ran with.
        full_reference: measures beside PSNR that ``variants`` holds in an earlier layout; none in the present one.
        versions: Python and packages that the last command ran with.
        environment: operating system, processor, GPU and commit that the last command ran with.
        schema_version: of the run folder, :data:`LAYOUT`; a folder of an earlier one is migrated by the next run.
    """

    seed: int
    images: str
    roi: str
    degradations: list[str]
    parts: list[list[str]] = field(default_factory=list)
    commands: list[CommandRecord] = field(default_factory=list)
    full_reference: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    schema_version: int = LAYOUT

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
            content = parse(data)
            if content.pop(KEY, None) is not None and not is_sealed(data):
                raise ValueError("its bytes are not those that its checksum was made of")
            version = content["schema_version"]
            if not isinstance(version, int) or version not in range(1, LAYOUT + 1):
                raise StoreError(
                    f"'{folder.path(NAME)}' has schema version {version}, this code writes {LAYOUT}: use another --out, or "
                    "the version that wrote it."
                )
            if version == 1:
                content["commands"] = _commands_of_layout_1(content)
            record = of_json(cls, content)
            record._check_names()
            return record
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(f"'{folder.path(NAME)}' is damaged ({error}): restore it or use another --out.") from error

    def _check_names(self) -> None:
        """Refuse names that would lead out of the run folder: they become parts of paths."""
        for name in (*self.degradations, *(source_id for part in self.parts for source_id in part)):
            if not name or name.startswith(".") or _NOT_IN_NAMES.search(name):
                raise ValueError(f"{name!r} is no name of an image or a degradation")

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

    def command(self, command: Command, task: Task | None = None) -> CommandRecord | None:
        """Return what a command last ran with, for a task; None if it never ran."""
        return next((known for known in self.commands if known.key == CommandKey(command, task)), None)

    def note(self, command: CommandRecord) -> None:
        """Remember what a command runs with, in place of what it ran with before."""
        known = {one.key: one for one in self.commands} | {command.key: command}
        self.commands = list(known.values())

    def write(self, folder: RunFolder) -> None:
        """Write the record in the present layout, with the versions and the machine of now."""
        self.versions, self.environment, self.schema_version = package_versions(), machine(), LAYOUT
        content = asdict(self)
        del content["full_reference"]
        folder.write(NAME, seal(json.dumps({KEY: BLANK, **content}, indent=1).encode()))


def config_hash(config: RunConfig) -> str:
    """Return the SHA-256 of a resolved run file."""
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()


def _commands_of_layout_1(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Take the commands out of a record whose keys were words such as "label det"."""
    configs, hashes = content.pop("stages"), content.pop("hashes", {})
    keys = {words: CommandKey.of_words(words) for words in configs}
    return [
        {"command": key.command, "task": key.task, "config": configs[words], "hashes": hashes.get(words, {})}
        for words, key in keys.items()
    ]
