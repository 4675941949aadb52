"""Files of weights of the project's own form: safetensors whose metadata say which network it is and what it was trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from machine_iqa.eight_bits import SCALE, packed, unpacked
from machine_iqa.labels import Label
from miqd_builder.errors import ConfigError
from miqd_builder.tasks import Task

if TYPE_CHECKING:
    from machine_iqa.networks.base import QualityNetwork

METADATA = "miqa"
"""Key of the record in the metadata of the file."""


class ModelRecord(BaseModel):
    """What a file of weights is.

    Attributes:
        network: its name.
        outputs: task and label of each column of scores.
        options: of the network, beside ``outputs``; JSON values.
        trained_on: data and labels.
        licence: of the weights.
        version: of the weights.
        card: the model's card, Markdown.
        training: how it was made, as :func:`machine_iqa.training.files.record_of` has it; JSON values.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str
    outputs: tuple[tuple[Task, Label], ...] = Field(min_length=1)
    options: dict[str, Any] = Field(default_factory=dict)
    trained_on: str
    licence: str
    version: str
    card: str = ""
    training: dict[str, Any] = Field(default_factory=dict)


def save_model(network: QualityNetwork, path: Path, record: ModelRecord, *, half: bool = True) -> None:
    """Write a network's weights and its record; another file of that name is replaced at once or not at all.

    Args:
        network: with the outputs of the record.
        path: ``.safetensors``.
        record: what it is.
        half: store float32 as float16, except tensors that don't fit into its range, and the network's ``eight_bits`` in 8
            bits.

    Raises:
        ConfigError: the record is of other outputs than the network.
    """
    import torch
    from safetensors.torch import save_file

    if record.outputs != tuple((output.task, output.label) for output in network.outputs):
        raise ConfigError(f"The record of {path.name} lists other outputs than its network has.")

    def stored(tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.detach().cpu().contiguous()
        fits = tensor.dtype == torch.float32 and bool(tensor.abs().amax() < torch.finfo(torch.float16).max)
        return tensor.half() if half and fits else tensor

    state: dict[str, torch.Tensor] = {}
    for name, tensor in network.state_dict().items():
        if half and name in network.eight_bits:
            values, state[name + SCALE] = packed(tensor)
            state[name] = values.cpu().contiguous()
        elif not name.endswith("num_batches_tracked"):
            state[name] = stored(tensor)
    unfinished = path.with_name(f".{path.name}.part")
    save_file(state, unfinished, metadata={METADATA: record.model_dump_json()})
    unfinished.replace(path)


def read_record(file: Path) -> ModelRecord | None:
    """Return the record of a file of weights; None if it is a checkpoint of another form.

    Raises:
        ConfigError: the file is damaged, or its record is of another version of this project.
    """
    from safetensors import SafetensorError, safe_open

    if file.suffix != ".safetensors":
        return None
    try:
        with safe_open(file, "np") as opened:
            text = (opened.metadata() or {}).get(METADATA)
    except (SafetensorError, OSError) as error:
        raise ConfigError(f"Weights {file} are damaged ({' '.join(str(error).split())}): copy or train them again.") from error
    try:
        return None if text is None else ModelRecord.model_validate(json.loads(text))
    except (ValidationError, ValueError) as error:
        raise ConfigError(
            f"Weights {file} have a record that this version doesn't know: {str(error).splitlines()[0]}"
        ) from error


def load_model(file: Path) -> tuple[QualityNetwork, ModelRecord]:
    """Return the network of a file that :func:`save_model` wrote, float32 in eval mode, and its record.

    Raises:
        ConfigError: the file is missing, damaged or of another form, or its network is unknown.
    """
    from machine_iqa.networks.base import Output
    from machine_iqa.networks.pretrained import load_exactly
    from machine_iqa.networks.registry import create_network
    from miqd_builder.zoo.weights.checkpoint import read_state_dict

    if not file.is_file():
        raise ConfigError(f"Weights {file} are not there.")
    record = read_record(file)
    if record is None:
        raise ConfigError(f"Weights {file} have no record of what they are: name their network beside them.")
    network = create_network(record.network, [Output(*output) for output in record.outputs], **record.options)
    load_exactly(network, unpacked(read_state_dict(file)), file)
    return network.eval(), record
