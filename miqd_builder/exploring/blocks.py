"""Arrays and pictures as text inside an HTML page, which scripts read back as typed arrays and data urls."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 8
"""Arrays start at a multiple of this: typed arrays of JavaScript ask for multiples of their item's size."""

Layout = dict[str, Any]


class Blocks:
    """The data blocks of a page, in order, and the characters that they take.

    Examples:
        >>> blocks = Blocks()
        >>> blocks.add_arrays({"x": np.array([[1, 2]], np.float32)})
        {'id': 'b0', 'arrays': {'x': ['f4', [1, 2], 0]}}
        >>> blocks.markup()[:35]
        '<script type="text/plain" id="b0">H'
    """

    def __init__(self) -> None:
        self._texts: list[str] = []

    @property
    def size(self) -> int:
        """Characters of all blocks."""
        return sum(map(len, self._texts))

    def add_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Layout:
        """Add arrays as one compressed block.

        Returns:
            the block's ``id``, and of each array its type, shape and first byte: what the page needs to read it.
        """
        data, places = bytearray(), {}
        for name, array in arrays.items():
            data += bytes(-len(data) % ALIGNMENT)
            little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
            places[name] = [little.dtype.str[1:], list(array.shape), len(data)]
            data += little.tobytes()
        text = base64.b64encode(gzip.compress(bytes(data), mtime=0)).decode()
        return {"id": self._add(text), "arrays": places}

    def add_files(self, files: Sequence[bytes]) -> str:
        """Add files that are compressed already, a line each, and return the block's id."""
        return self._add("\n".join(base64.b64encode(file).decode() for file in files))

    @property
    def length(self) -> int:
        """Number of blocks: what :meth:`forget` takes to go back to now."""
        return len(self._texts)

    def forget(self, length: int) -> None:
        """Drop all blocks but the first ones, so many."""
        del self._texts[length:]

    def markup(self) -> str:
        """Return the blocks as HTML; base64 holds nothing that would have to be escaped."""
        return "\n".join(f'<script type="text/plain" id="b{number}">{text}</script>' for number, text in enumerate(self._texts))

    def _add(self, text: str) -> str:
        self._texts.append(text)
        return f"b{len(self._texts) - 1}"


def json_block(content: object) -> str:
    """Return a JSON document as an HTML data block; no text in it can end the block or begin markup."""
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'<script type="application/json" id="page">{text}</script>'
