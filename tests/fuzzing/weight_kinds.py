"""Checkpoints of other people: damaged, of other forms, and such that would run code if they were unpickled."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import save

import miqd_builder as mb
from machine_iqa.model import MIQAModel
from machine_iqa.weights import METADATA, ModelRecord, read_record
from miqd_builder.onnx_file import read_onnx
from miqd_builder.zoo.weights.checkpoint import read_state_dict
from tests.fuzzing import canary
from tests.fuzzing.corpus import Corpus, shipped_weights, tiny_network
from tests.fuzzing.mutations import HOSTILE_TEXTS, damaged_bytes, damaged_tree, hostile
from tests.tiny_onnx import redness

Call = Callable[[], object]
STATE = {"conv.weight": torch.ones(2, 3, 3, 3), "conv.bias": torch.zeros(2)}


class Hostile:
    """Pickles as a call of something."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call, self.arguments


def _payloads() -> list[Any]:
    import builtins
    import os
    import subprocess

    return [
        Hostile(canary.touch),
        Hostile(os.system, "touch /outside/escaped"),
        Hostile(subprocess.Popen, ["touch", "/outside/escaped"]),
        Hostile(builtins.eval, "__import__('tests.fuzzing.canary').fuzzing.canary.touch()"),
        Hostile(builtins.getattr, "x", "upper"),
        Hostile(open, "escaped", "w"),
        Hostile(np.load, "x.npy"),
        Hostile(torch.load, "x.pth"),
        {"state_dict": STATE, "hook": Hostile(canary.touch)},
        {"state_dict": {"a": Hostile(canary.touch)}},
        {"model": STATE, "args": Hostile(exec, "import os")},
    ]


def checkpoint(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    """A checkpoint file, opened as every model of the zoo opens its own; one in four by ``mb.create_model``."""
    name, data = rng.choice((_torch_file, _torch_file, _pickled, _safetensors, _handmade_pickle))(rng)
    file = folder / name
    file.write_bytes(data)
    if rng.random() < 0.75:
        return lambda: read_state_dict(file)
    entry = {
        "name": "one",
        "task": "cls",
        "backend": "torchvision",
        "arch": "squeezenet1_1",
        "arch_kwargs": {"num_classes": 8},
        "checkpoint": {"path": name},
    }
    zoo = folder / "zoo.yaml"
    zoo.write_text(yaml.safe_dump({"models": [entry]}))
    return lambda: mb.create_model("one", zoo=zoo)


def _torch_file(rng: random.Random) -> tuple[str, bytes]:
    """What ``torch.save`` writes, of good or hostile content, damaged inside or outside of its archive."""
    content = rng.choice(({"state_dict": STATE}, STATE, {"model": {"a": 3}}, [1], None, *_payloads()))
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=rng.random() < 0.7)
    data = file.getvalue()
    how = rng.random()
    if how < 0.3 and zipfile.is_zipfile(io.BytesIO(data)):
        return "weights.pth", _rezipped(rng, data)
    return "weights.pth", damaged_bytes(rng, data) if how < 0.8 else data


def _rezipped(rng: random.Random, data: bytes) -> bytes:
    """The archive with one member damaged, renamed out of the archive, or enlarged by what compresses well."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        names = old.namelist()
        chosen = rng.choice(names)
        for name in names:
            content = old.read(name)
            if name == chosen:
                content = damaged_bytes(rng, content) if rng.random() < 0.8 else bytes(2**24)
                name = name if rng.random() < 0.8 else "../../outside/escaped"
            new.writestr(name, content, zipfile.ZIP_DEFLATED if len(content) > 2**20 else zipfile.ZIP_STORED)
    return out.getvalue()


def _pickled(rng: random.Random) -> tuple[str, bytes]:
    payload = rng.choice(_payloads())
    return rng.choice(("a.pth", "a.pt", "a.pth.tar", "a.bin")), pickle.dumps(payload, protocol=rng.choice((0, 2, 4, 5)))


def _handmade_pickle(rng: random.Random) -> tuple[str, bytes]:
    """A chain of pickle's own instructions, of any order."""
    parts = [
        b"ctests.fuzzing.canary\ntouch\n",
        b"cbuiltins\neval\n",
        b"cposix\nsystem\n",
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"ccollections\nOrderedDict\n",
        b"ctorch\nload\n",
        b"(",
        b")",
        b"t",
        b"R",
        b"b",
        b"o",
        b"}",
        b"u",
        b"Vx\n",
        b"K\x05",
        b"\x94",
        b"h\x00",
        b"Q",
        b"\x85",
        b"\x8a\xff" + b"\x7f" * 255,
        b"B\xff\xff\xff\x7f",
        b"r\xff\xff\xff\x7f",
    ]
    body = b"".join(rng.choice(parts) for _ in range(rng.randint(1, 20)))
    start = rng.choice((b"\x80\x02", b"\x80\x04\x95" + struct.pack("<Q", 2**40), b""))
    return "a.pth", start + rng.choice((b"", b"ctests.fuzzing.canary\ntouch\n)R")) + body + b"."


def _safetensors(rng: random.Random) -> tuple[str, bytes]:
    return "a.safetensors", _damaged_safetensors(rng, save(STATE))


def _damaged_safetensors(rng: random.Random, data: bytes) -> bytes:
    """The file damaged anywhere, or its header's fields changed with a length that fits."""
    if rng.random() < 0.5:
        return damaged_bytes(rng, data)
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.dumps(damaged_tree(rng, json.loads(data[8 : 8 + length]))).encode("utf-8", "replace")
    except (RecursionError, ValueError):
        header = b"{}"
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def quality_weights(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    """A file of weights of the project's own form, opened by ``MIQAModel``, or an ONNX file of a ROI network."""
    if rng.random() < 0.25:
        (folder / "a.onnx").write_bytes(damaged_bytes(rng, redness(8)))
        return lambda: read_onnx(folder / "a.onnx")
    file = folder / "a.safetensors"
    if rng.random() < 0.2:
        data = shipped_weights()
        head = 8 + int.from_bytes(data[:8], "little")
        file.write_bytes(damaged_bytes(rng, data[:head]) + data[head:])
        return lambda: MIQAModel(str(file), device="cpu")
    with tiny_network():
        from machine_iqa.networks.base import Output
        from machine_iqa.networks.registry import create_network

        state = create_network("tiny", [Output("cls", "composite")]).state_dict()
    fields = ModelRecord(network="tiny", outputs=(("cls", "composite"),), trained_on="x", licence="x", version="1").model_dump()
    record = damaged_tree(rng, {**fields, "options": _options(rng)})
    try:
        data = save(state, metadata={METADATA: json.dumps(record)})
    except (RecursionError, ValueError, TypeError):
        data = save(state, metadata={METADATA: rng.choice(HOSTILE_TEXTS[2:])})
    file.write_bytes(data if rng.random() < 0.6 else damaged_bytes(rng, data))

    def call() -> None:
        with tiny_network():
            read_record(file)
            MIQAModel(str(file), device="cpu")

    return call


def _options(rng: random.Random) -> dict[str, Any]:
    name = rng.choice(("dropout", "batch_norm", "backbone", "x"))
    return {} if rng.random() < 0.5 else {name: rng.choice((0.1, "evil.pth", hostile(rng)))}
