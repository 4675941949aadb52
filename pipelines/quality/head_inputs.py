"""What the heads of miqa-small get of labelled images, kept in files: each image goes through the rest of the network once."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from machine_iqa.data.batches import Batches, BatchLoader, one_thread, shapes_of
from machine_iqa.data.labelled import Labelled, LabelledSource
from machine_iqa.data.order import BatchOrder
from machine_iqa.data.pixels import RunPixels
from machine_iqa.networks.miqa_small import MiqaSmall
from machine_iqa.training.progress import SECONDS_BETWEEN_LINES
from machine_iqa.weights import load_model
from miqd_builder.errors import ConfigError
from miqd_builder.zoo.weights.cache import file_sha256

Split = TypeVar("Split", bound=str)
BATCH = 32
"""Images that go through the network together."""


@dataclass(frozen=True)
class HeadInputs:
    """What the heads get of the images of a set.

    Attributes:
        by_task: float32 ``(N, width)`` by task.
        rows: int64 ``(N,)``: number of each image among those of the set; images that can't be read are missing.
        lost: images that couldn't be read, and why.
    """

    by_task: dict[str, Tensor]
    rows: Tensor
    lost: tuple[str, ...] = ()

    def write(self, file: Path) -> None:
        """Write them; a file of that name is whole or not there."""
        unfinished = file.with_name(f".{file.name}.part")
        tensors = {f"head.{task}": values for task, values in self.by_task.items()}
        save_file(tensors | {"rows": self.rows}, unfinished, {"lost": json.dumps(self.lost)})
        unfinished.replace(file)

    @classmethod
    def read(cls, file: Path) -> HeadInputs:
        """Read what :meth:`write` wrote."""
        with safe_open(file, "pt") as opened:
            lost = tuple(json.loads(opened.metadata()["lost"]))
        found = load_file(file)
        rows = found.pop("rows")
        return cls({name.removeprefix("head."): values for name, values in found.items()}, rows, lost)

    @classmethod
    def joined(cls, parts: Sequence[HeadInputs]) -> HeadInputs:
        """Return several as one; without tasks if none of the images could be read."""
        read = [part for part in parts if len(part.rows)]
        return cls(
            {task: torch.cat([part.by_task[task] for part in read]) for part in read[:1] for task in part.by_task},
            torch.cat([part.rows for part in read]) if read else torch.empty(0, dtype=torch.int64),
            tuple(line for part in parts for line in part.lost),
        )


def kept_inputs(parts: Mapping[Split, Labelled], weights: Path, folder: Path, *, workers: int) -> dict[Split, HeadInputs]:
    """Return what the heads get of sets of images; computes what isn't in files yet, a file a source, and what was lost.

    Args:
        parts: the images of run folders, by name of the set.
        weights: of the network.
        folder: for the files.
        workers: processes.

    Raises:
        ConfigError: none of the images of a set could be read.
    """
    own = folder / file_sha256(weights)[:12]
    own.mkdir(parents=True, exist_ok=True)
    sources = [source for data in parts.values() for source in data.sources]
    missing = [source for source in sources if not (file := _file(own, source)).exists() or HeadInputs.read(file).lost]
    begun = said = time.monotonic()
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), one_thread, (0,)) as pool:
        waiting = [pool.submit(keep_inputs, source, weights, _file(own, source)) for source in missing]
        for number, done in enumerate(as_completed(waiting), 1):
            done.result()
            now = time.monotonic()
            if now - said > SECONDS_BETWEEN_LINES or number == len(missing):
                said, left = now, (now - begun) / number * (len(missing) - number)
                print(f"heads: {number}/{len(missing)} sources, {left:.0f} s left", flush=True)
    return {name: _of_set(name, data, own) for name, data in parts.items()}


def _of_set(name: str, data: Labelled, folder: Path) -> HeadInputs:
    parts, before = [], 0
    for source in data.sources:
        part = HeadInputs.read(_file(folder, source))
        parts.append(replace(part, rows=part.rows + before))
        before += len(source.names)
    found = HeadInputs.joined(parts)
    if not len(found.rows):
        raise ConfigError(f"None of the {before} images of {name} could be read: {found.lost[0]}")
    return found


def keep_inputs(source: LabelledSource, weights: Path, file: Path) -> None:
    """Write what the heads get of the images of one source."""
    network = _opened(weights)
    order = BatchOrder([source], shapes_of([source], network.views, training=False), batch_size=BATCH)
    parts = []
    with torch.inference_mode():
        for batch in BatchLoader(Batches([source], network.views), order):
            by_task = network.before_heads(batch.views)[0] if len(batch) else {}
            parts.append(HeadInputs(by_task, batch.rows, tuple(batch.lost)))
    HeadInputs.joined(parts).write(file)


@cache
def _opened(weights: Path) -> MiqaSmall:
    """The network, once for each process."""
    return cast(MiqaSmall, load_model(weights)[0].to(memory_format=torch.channels_last))  # type: ignore[call-overload]


def _file(folder: Path, source: LabelledSource) -> Path:
    said = json.dumps([cast(RunPixels, source.pixels).url, source.source_id, source.names])
    return folder / f"{hashlib.sha256(said.encode()).hexdigest()[:24]}.safetensors"
