"""COCOeval and its faster re-implementations, all called the same way."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

LIBRARIES = {
    "pycocotools": ("pycocotools.coco", "pycocotools.cocoeval", "COCOeval"),
    "faster-coco-eval": ("faster_coco_eval", "faster_coco_eval", "COCOeval_faster"),
    "ultrafast-pycocotools": ("ultrafast_pycocotools", "ultrafast_pycocotools", "COCOeval"),
    "hotcoco": ("hotcoco", "hotcoco", "COCOeval"),
}
"""Module of COCO, module and name of COCOeval, by package."""


class Library:
    """One of :data:`LIBRARIES`.

    Raises:
        ImportError: it isn't installed.
    """

    def __init__(self, name: str) -> None:
        data, evaluation, self._evaluation = LIBRARIES[name]
        self.name = name
        self._coco: Any = importlib.import_module(data).COCO
        self._module: Any = importlib.import_module(evaluation)

    def ap(self, truth: dict[str, Any], results: list[dict[str, Any]], iou: str) -> float:
        """AP over all images of a data set, area ``all``, 100 detections, loading included."""
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            data = self._data(truth)
            evaluation = getattr(self._module, self._evaluation)(data, data.loadRes(results), iou)
            evaluation.evaluate()
            evaluation.accumulate()
        precision = evaluation.eval["precision"][:, :, :, 0, 2]
        return float(precision[precision > -1].mean())

    def _data(self, truth: dict[str, Any]) -> Any:
        if self.name in ("pycocotools", "ultrafast-pycocotools"):
            data = self._coco()
            data.dataset = truth
            data.createIndex()
            return data
        try:
            return self._coco(truth)
        except TypeError:  # it reads files only
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "truth.json"
                file.write_text(json.dumps(truth))
                return self._coco(str(file))
