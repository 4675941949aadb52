"""Look into an ONNX file before anything runs it: a protobuf message, read without the package ``onnx``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from miqd_builder.errors import ConfigError

MAX_BYTES = 2**31
"""No protobuf message can be longer: what is larger is no ONNX file."""

_DEPTH = 16
"""Graphs within nodes within graphs: no network has more."""

_INSIDE = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""Which fields of which message hold which message, on the way to the tensors (onnx.proto3)."""

_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_LENGTHS = {1: 8, 5: 4}
"""Bytes of a field of wire type 1 or 5."""


def read_onnx(file: Path) -> bytes:
    """Return the content of an ONNX file that is whole in itself.

    Raises:
        ConfigError: it can't be read, is too large or no ONNX file, or keeps weights in other files, which might be any.
    """
    try:
        size = file.stat().st_size
        if not 0 < size < MAX_BYTES:
            raise ConfigError(f"{file} has {size} bytes: no ONNX file. Give the network in one file of less than 2 GiB.")
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} can't be read ({error.strerror}).") from None
    try:
        external = has_external_data(data)
    except ValueError:
        raise ConfigError(f"{file} is damaged or no ONNX file: replace it.") from None
    if external:
        raise ConfigError(
            f"{file} keeps weights in other files, which are not opened: save the network in one file (onnx.save with "
            "save_as_external_data=False)."
        )
    return data


def has_external_data(data: bytes) -> bool:
    """Tell whether any tensor of an ONNX model lies outside its file.

    Raises:
        ValueError: the bytes are no ONNX model.
    """
    view = memoryview(data)
    if not any(number == 7 for number, _ in _fields(view)):
        raise ValueError("no graph")
    return _external(view, "model", 0)


def _external(view: memoryview, message: str, depth: int) -> bool:
    if depth > _DEPTH:
        raise ValueError("nested too deep")
    for number, value in _fields(view):
        if message == "tensor":
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == 1):
                return True
            continue
        inside = _INSIDE[message].get(number)
        if inside and isinstance(value, memoryview) and _external(value, inside, depth + 1):
            return True
    return False


def _fields(view: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and the value of each field: an integer, or the bytes."""
    at = 0
    while at < len(view):
        key, at = _varint(view, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(view, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(view, at)
        elif kind in _LENGTHS:
            length = _LENGTHS[kind]
        else:
            raise ValueError(f"wire type {kind}")
        if at + length > len(view):
            raise ValueError("cut off")
        yield number, view[at : at + length]
        at += length


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(view):
            raise ValueError("cut off")
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number of more than ten bytes")
