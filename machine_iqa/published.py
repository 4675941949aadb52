"""The published checkpoints: which there are, where they are to be had, where they lie, and whether they are still the same."""

from __future__ import annotations

import functools
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from miqd_builder.errors import ConfigError
from miqd_builder.yaml_files import read_mapping
from miqd_builder.zoo.weights.cache import cache_folder, file_sha256, hash_note

LIST = Path(__file__).with_name("weights.yaml")


class PublishedCheckpoint(BaseModel):
    """A checkpoint of the paper: a network trained for one label of one task.

    Attributes:
        network: its name here.
        task: whose labels it was trained on.
        label: that it predicts.
        google_drive: id of the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str
    task: Literal["cls", "det", "ins"]
    label: Literal["consistency", "accuracy", "composite"]
    google_drive: str

    @property
    def file(self) -> str:
        """Name of the file, as published."""
        return f"miqa_{self.network.replace('-', '_')}_{self.task}_{self.label}_metric.pth.tar"

    @property
    def address(self) -> str:
        """Page from which a browser downloads it."""
        return f"https://drive.google.com/file/d/{self.google_drive}/view"

    @property
    def place(self) -> Path:
        """Where it belongs: in the folder ``checkpoints`` of the cache folder (``MIQD_CACHE``)."""
        return cache_folder() / "checkpoints" / "miqa" / f"{self.label}_metric" / self.file


@functools.cache
def published_checkpoints() -> tuple[PublishedCheckpoint, ...]:
    """Return all of them, in the order of their list."""
    document = read_mapping("List of checkpoints", LIST, "one key, 'checkpoints'")
    return tuple(PublishedCheckpoint.model_validate(entry) for entry in document["checkpoints"])


def published_checkpoint(network: str, task: str, label: str) -> PublishedCheckpoint:
    """Return the one of a network, a task and a label.

    Raises:
        ConfigError: none was published; says which were.
    """
    of_network = [one for one in published_checkpoints() if one.network == network]
    for one in of_network:
        if (one.task, one.label) == (task, label):
            return one
    there = ", ".join(f"{one.task} {one.label}" for one in of_network)
    wanted = f"Network '{network}' has no published weights for task {task}, label {label}"
    raise ConfigError(f"{wanted}: " + (f"expected one of {there}." if there else "give a file with weights=FILE."))


def published_file(one: PublishedCheckpoint) -> Path:
    """Return where a published checkpoint lies, after :func:`recorded_sha256`.

    Raises:
        ConfigError: it isn't there (says where to get and put it), or it changed.
    """
    if not one.place.is_file():
        raise ConfigError(
            f"Weights of '{one.network}' for task {one.task}, label {one.label} are not on disk: "
            f"download {one.address} to {one.place}, or give a file with weights=FILE."
        )
    recorded_sha256(one.place)
    return one.place


def recorded_sha256(file: Path) -> str:
    """Return the sha256 of a file whose hash nobody published, and record it beside the file when it is first used.

    Raises:
        ConfigError: it is not the file that it was.
    """
    found, note = file_sha256(file), hash_note(file)
    if not note.is_file():
        with suppress(OSError):  # a folder that can't be written: nothing is recorded
            note.write_text(f"{found}  {file.name}\n")
        return found
    if (before := note.read_text().split(" ")[0]) != found:
        raise ConfigError(f"Weights {file} changed since their first use: sha256 {found}, recorded {before} in {note.name}.")
    return found
