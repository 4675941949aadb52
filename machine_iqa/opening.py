"""Which network and which weights a model's name stands for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from machine_iqa.networks.registry import NETWORKS
from machine_iqa.published import (
    PublishedCheckpoint,
    published_checkpoint,
    published_checkpoints,
    published_file,
)
from machine_iqa.weights import load_model, read_record
from miqd_builder.errors import ConfigError
from miqd_builder.zoo.weights.cache import file_sha256

if TYPE_CHECKING:
    from machine_iqa.networks.base import QualityNetwork

SHIPPED = Path(__file__).with_name("shipped")
DEFAULT_MODEL = "miqa-small"

PUBLISHED_LICENCE = "not stated by its authors"
PUBLISHED_DATA = "MIQD-2.5M, as published by the authors of the paper"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Opened:
    """A network with its weights.

    Attributes:
        name: of the model.
        network: in eval mode, on the CPU.
        trained_on: data and labels; ``unknown`` for a file that doesn't say.
        licence: of the weights.
        sha256: of the file of weights.
    """

    name: str
    network: QualityNetwork
    trained_on: str
    licence: str
    sha256: str


def open_model(name: str, task: str | None, label: str | None, weights: str | Path | None) -> Opened:
    """Return the network of a model with its weights.

    Args:
        name: a network's name, or a file that ``miqd train`` wrote.
        task: that published weights were trained for; ``cls`` by default.
        label: that they predict; ``composite`` by default.
        weights: a file; by default the one that ships, else the published one from the cache folder.

    Raises:
        ConfigError: the name is unknown (names the nearest), or the weights are missing (says where to get and put them),
            damaged, refused or of another network.
    """
    if weights is None and Path(name).suffix == ".safetensors":
        return _of_record(Path(name), Path(name).stem)
    NETWORKS[name]  # an unknown name is an error before any file is
    if weights is not None:
        return _of_file(name, _given_file(Path(weights)), task, label)
    if (shipped := shipped_file(name)).is_file():
        return _of_record(shipped, name)
    if not any(one.network == name for one in published_checkpoints()):
        raise ConfigError(_no_weights(name))
    one = published_checkpoint(name, task or "cls", label or "composite")
    return _of_checkpoint(name, published_file(one), one, PUBLISHED_DATA, PUBLISHED_LICENCE)


def shipped_file(name: str) -> Path:
    """Return where the weights of a model that ships lie."""
    return SHIPPED / f"{name.replace('-', '_')}.safetensors"


def _no_weights(name: str) -> str:
    train = f"train it (miqd train --config machine_iqa/configs/{name.replace('-', '_')}.yaml)"
    missing = f"Model '{name}' has no weights here: {shipped_file(name)} is missing."
    return f"{missing} Get it with the project, {train} or give a file with weights=FILE."


def _given_file(file: Path) -> Path:
    """Return a file as given, or a published one of that name from the cache folder."""
    if file.is_file():
        return file
    known = [one.place for one in published_checkpoints() if one.file == str(file)]
    if known and known[0].is_file():
        return known[0]
    raise ConfigError(f"Weights {file} are not there" + (f", nor in {known[0].parent}." if known else "."))


def _of_file(name: str, file: Path, task: str | None, label: str | None) -> Opened:
    record = read_record(file)
    if record is not None:
        if record.network != name:
            raise ConfigError(f"Weights {file} are of network '{record.network}', not '{name}'.")
        return _of_record(file, name)
    known = next((one for one in published_checkpoints() if one.file == file.name), None)
    if known is None:
        one = PublishedCheckpoint.model_construct(network=name, task=task or "cls", label=label or "composite", google_drive="")
        return _of_checkpoint(name, file, one, UNKNOWN, UNKNOWN)
    if known.network != name or (task or known.task) != known.task or (label or known.label) != known.label:
        raise ConfigError(f"Weights {file.name} are of network '{known.network}', task {known.task}, label {known.label}.")
    return _of_checkpoint(name, file, known, PUBLISHED_DATA, PUBLISHED_LICENCE)


def _of_record(file: Path, name: str) -> Opened:
    network, record = load_model(file)
    return Opened(name, network, record.trained_on, record.licence, file_sha256(file))


def _of_checkpoint(name: str, file: Path, one: PublishedCheckpoint, trained_on: str, licence: str) -> Opened:
    from machine_iqa.networks.base import Output
    from machine_iqa.networks.pretrained import load_checkpoint
    from machine_iqa.networks.registry import create_network

    network = create_network(name, [Output(one.task, one.label)])
    load_checkpoint(network, file)
    return Opened(name, network.eval(), trained_on, licence, file_sha256(file))
