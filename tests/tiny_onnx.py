"""ONNX files of a few bytes, written by hand (onnx.proto3), with the input and the output of salient object networks."""

from __future__ import annotations

import struct
from collections.abc import Sequence

REDNESS = (4.0, -2.0, -2.0)
"""Weights of R, G and B: what is red stands out."""


def redness(size: int | str, *, sigmoid: bool = True, external: bool = False, inputs: int = 1) -> bytes:
    """Return a network that weighs the channels of ``(1, 3, size, size)``: saliency of red things, as logits or 0..1.

    Args:
        size: of the input; a name makes it any.
        sigmoid: whether the output goes through one.
        external: whether the weights say that they are in another file.
        inputs: number of inputs, of which the first is used.
    """
    weights = _tensor("w", (1, 3, 1, 1), REDNESS, external)
    nodes = [_message(1, _node("Conv", ("x", "w"), "map" if not sigmoid else "raw"))]
    if sigmoid:
        nodes.append(_message(1, _node("Sigmoid", ("raw",), "map")))
    graph = b"".join(nodes) + _text(2, "redness") + _message(5, weights)
    for name in ["x", "y", "z"][:inputs]:
        graph += _message(11, _value(name, (1, 3, size, size)))
    graph += _message(12, _value("map", (1, 1, size, size)))
    return _number(1, 8) + _message(7, graph) + _message(8, _text(1, "") + _number(2, 13))


def _tensor(name: str, shape: Sequence[int], values: Sequence[float], external: bool) -> bytes:
    head = b"".join(_number(1, n) for n in shape) + _number(2, 1) + _text(8, name)
    if external:
        return head + _message(13, _text(1, "location") + _text(2, "weights.bin")) + _number(14, 1)
    return head + _message(9, struct.pack(f"<{len(values)}f", *values))


def _node(kind: str, inputs: Sequence[str], output: str) -> bytes:
    return b"".join(_text(1, name) for name in inputs) + _text(2, output) + _text(4, kind)


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    sides = (_message(1, _number(1, n) if isinstance(n, int) else _text(2, n)) for n in shape)
    tensor = _number(1, 1) + _message(2, b"".join(sides))
    return _text(1, name) + _message(2, _message(1, tensor))


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, content: str) -> bytes:
    return _message(field, content.encode())
