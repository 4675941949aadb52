"""Reads the data of an explorer's page again, without the code that wrote it."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BLOCK = re.compile(r'<script type="text/plain" id="(b\d+)">([^<]*)</script>')


class Page:
    """The facts of a page, and its blocks."""

    def __init__(self, file: str | Path) -> None:
        self.html = Path(file).read_text("utf-8")
        found = re.search(r'<script type="application/json" id="page">([^<]*)</script>', self.html)
        assert found is not None
        self.facts: dict[str, Any] = json.loads(found[1])
        self.blocks = dict(BLOCK.findall(self.html))
        self.names = [row[0] for row in self.facts["degradations"]]

    def task(self, name: str) -> dict[str, Any]:
        """Facts of one task."""
        return next(one for one in self.facts["tasks"] if one["task"] == name)

    def arrays(self, layout: dict[str, Any]) -> dict[str, NDArray[Any]]:
        """Arrays of a block."""
        data = gzip.decompress(base64.b64decode(self.blocks[layout["id"]]))
        return {
            name: np.frombuffer(data, f"<{kind}", int(np.prod(shape)), start).reshape(shape)
            for name, (kind, shape, start) in layout["arrays"].items()
        }

    def pictured(self, source_id: str) -> dict[str, Any]:
        """What the page knows of a source with pictures."""
        return next(one for one in self.facts["pictured"] if self.facts["sources"][one["source"]] == source_id)

    def pictures(self, source_id: str) -> dict[str, NDArray[np.uint8]]:
        """Pictures of a source by degradation, ``original`` and ``mask`` among them; the mask has four channels."""
        known = self.pictured(source_id)
        files = [base64.b64decode(line) for line in self.blocks[known["pictures"]].split("\n")]
        names = [*self.names, "original"]
        keys = [*(names[kind] for kind in known["kinds"]), *(["mask"] if known["mask"] else [])]
        return {key: np.asarray(Image.open(io.BytesIO(file))) for key, file in zip(keys, files, strict=True)}
