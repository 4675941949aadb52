"""The files of a training folder, and the record that goes with the weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pydantic import ValidationError
from torch import Tensor

from machine_iqa.data.labelled import Labelled
from machine_iqa.networks.base import QualityNetwork
from machine_iqa.training.config import TrainingConfig
from machine_iqa.weights import ModelRecord, load_model, save_model
from miqd_builder.errors import ConfigError
from miqd_builder.tables.splits import SplitName

CONFIG, CARD, METRICS, LOST, RECORD = "config.yaml", "card.md", "metrics.csv", "lost.txt", "test.json"
SCORES = "test.parquet"
BEST, LAST = "checkpoints/best.safetensors", "checkpoints/last.ckpt"
MAY_CHANGE = ("workers", "save_every", "device", "gpu_ids")
"""Fields with which a training may go on that was begun with others: none of them changes what is learned."""
DIGITS = 8


def source_key(source_id: str) -> str:
    """Return what a record remembers a source by: the first 8 hex digits of the SHA-256 of its id.

    >>> source_key("scene_00_ball")
    '402bcbb6'
    """
    return hashlib.sha256(source_id.encode()).hexdigest()[:DIGITS]


@dataclass(frozen=True)
class BestWeights:
    """Writes the best weights with their record.

    Attributes:
        folder: of the training.
        record: what is known before training.
    """

    folder: Path
    record: ModelRecord

    def write(self, network: QualityNetwork, figures: Mapping[str, float]) -> None:
        """Write ``checkpoints/best.safetensors``.

        Args:
            network: its weights.
            figures: of the validation that chose them.
        """
        known = {name: value for name, value in figures.items() if value == value}
        record = self.record.model_copy(update={"training": {**self.record.training, "validation": known}})
        save_model(network, self.folder / BEST, record, half=False)


def record_of(config: TrainingConfig, parts: Mapping[SplitName, Labelled]) -> ModelRecord:
    """Return what the weights' record says of their training.

    ``training["seen"]`` holds keys of the sources that trained or chose, so that nobody reports on them.
    """
    data = parts["train"]
    seen = {source.source_id for name in ("train", "validation") for source in parts[name].sources}
    training = {
        "recipes": data.recipes,
        "labelled_by": data.labelled_by,
        "label_models": config.label_models,
        "split_seed": config.split_seed,
        "seed": config.seed,
        "seen": sorted(map(source_key, seen)),
    }
    return ModelRecord(
        network=config.network,
        outputs=tuple((output.task, output.label) for output in config.outputs),
        options={name: value for name, value in config.network_options.items() if not _is_file(value)},
        trained_on=_words(config, parts),
        licence=config.licence,
        version=config.version,
        training=training,
    )


def write_scores(folder: Path, data: Labelled, rows: Tensor, scores: Tensor) -> None:
    """Write ``test.parquet``: ``source_id``, ``degradation``, and a column an output, such as ``cls_consistency``.

    Args:
        folder: of the training.
        data: the images of the test split.
        rows: number of each scored image among them, int64 ``(N,)``.
        scores: float32 ``(N, outputs)``.
    """
    names = [(source.source_id, name) for source in data.sources for name in source.names]
    found = [names[row] for row in rows.tolist()]
    keys = {"source_id": [source_id for source_id, _ in found], "degradation": [name for _, name in found]}
    columns = {name: pa.array(values, pa.string()) for name, values in keys.items()}
    for place, output in enumerate(data.outputs):
        columns[f"{output.task}_{output.label}"] = pa.array(scores[:, place].numpy())
    unfinished = folder / f".{SCORES}"
    pq.write_table(pa.table(columns), unfinished)
    unfinished.replace(folder / SCORES)


def start_from(network: QualityNetwork, config: TrainingConfig) -> None:
    """Load the weights that a training starts from, in place.

    Raises:
        ConfigError: the file is missing or damaged, or it is of another network, or has other outputs.
    """
    if config.weights is None:
        return
    found, record = load_model(config.weights)
    if record.network != config.network or found.outputs != network.outputs:
        has = ", ".join(f"{output.task} {output.label}" for output in found.outputs)
        raise ConfigError(
            f"Weights {config.weights} are of network '{record.network}' with the outputs {has}: "
            f"set network, tasks and labels to these, or leave weights out."
        )
    network.load_state_dict(found.state_dict())


def begin(config: TrainingConfig, parts: Mapping[SplitName, Labelled]) -> bool:
    """Write ``config.yaml``, or make sure that the folder holds the same training; tells whether it goes on.

    Raises:
        ConfigError: the folder holds another training, or the labels have changed since it began.
    """
    file = config.folder / CONFIG
    content = config.model_dump(mode="json") | {"data": data_hash(parts)}
    if file.exists():
        there = _with_later_fields(yaml.safe_load(file.read_text("utf-8")))
        other = [name for name in content if name not in MAY_CHANGE and there.get(name) != content[name]]
        if other:
            named = "its images or labels" if other == ["data"] else ", ".join(name for name in other if name != "data")
            raise ConfigError(
                f"'{config.folder}' holds a training that differs in {named}: go on as it was begun, or take another name."
            )
    (config.folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return (config.folder / LAST).exists()


def _with_later_fields(content: dict[str, Any]) -> dict[str, Any]:
    """Fields of a training that began before some of them existed: these have their defaults."""
    fields = {name: value for name, value in content.items() if name != "data"}
    try:
        return TrainingConfig.model_validate(fields).model_dump(mode="json") | {"data": content.get("data")}
    except ValidationError:
        return content


def data_hash(parts: Mapping[SplitName, Labelled]) -> str:
    """Return 16 hex digits over the sources, degradations and labels of all splits."""
    found = hashlib.sha256()
    for name, part in sorted(parts.items()):
        found.update(name.encode())
        for source in part.sources:
            found.update(json.dumps([source.source_id, source.names]).encode())
            found.update(source.targets.tobytes())
    return found.hexdigest()[:16]


def _words(config: TrainingConfig, parts: Mapping[SplitName, Labelled]) -> str:
    train, chosen = parts["train"], parts["validation"]
    where = _names([*config.runs, *([str(config.data_path)] if config.data_path else [])])
    return f"{train.images} images of {sources(train)} sources ({where}), chosen on {sources(chosen)} others"


def sources(data: Labelled) -> int:
    """Return the number of different sources."""
    return len({source.source_id for source in data.sources})


def _names(places: Iterable[str]) -> str:
    return ", ".join(Path(place).name for place in places)


def _is_file(value: Any) -> bool:
    return isinstance(value, str | Path) and Path(value).is_file()
