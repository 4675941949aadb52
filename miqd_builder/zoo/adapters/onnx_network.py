"""An ONNX file of the user's: its input as it was exported, its outputs by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.onnx_file import read_onnx
from miqd_builder.onnx_session import in_one_line, open_session
from miqd_builder.zoo.entry import ModelEntry
from miqd_builder.zoo.weights.cache import verified_file

INPUT_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
"""Element types of an input that pixels can be given in."""

Arrays = dict[str, NDArray[Any]]


class OnnxNetwork:
    """The checkpoint of an entry in ONNX Runtime, with one thread.

    Attributes:
        images: number of images in one pass; None for any.
        size: height and width of its input, None where the file leaves them open.

    Args:
        entry: whose checkpoint is an ONNX file.
        outputs: names of those that are wanted.
        device: see :func:`~miqd_builder.onnx_session.open_session`.

    Raises:
        ConfigError: the file is missing, another one or damaged, keeps weights elsewhere, can't be run, has another input than
            one of images, or lacks an output; names those it has.
    """

    def __init__(self, entry: ModelEntry, outputs: Sequence[str], device: str = "cpu") -> None:
        self._entry, self._outputs = entry, list(outputs)
        file = verified_file(entry)
        content = read_onnx(file)
        try:
            self._session = open_session(content, who=f"Model {entry.name!r}", device=device)
        except ConfigError:
            raise
        except Exception as error:  # onnxruntime's errors have no base of their own
            raise ConfigError(f"Model {entry.name!r}: {file} can't be opened by onnxruntime: {in_one_line(error)}.") from None
        self._read_input()
        known = [output.name for output in self._session.get_outputs()]
        for name in self._outputs:
            if name not in known:
                raise ConfigError(
                    f"Model {entry.name!r}: its ONNX file has no output {name!r}.{did_you_mean(name, known)} "
                    f"It has {_list(known)}."
                )

    def _read_input(self) -> None:
        inputs = self._session.get_inputs()
        shape = list(inputs[0].shape) if len(inputs) == 1 else []
        self._unbatched = len(shape) == 3
        shape = [1, *shape] if self._unbatched else shape
        self._last = len(shape) == 4 and shape[3] == 3 and shape[1] != 3
        channels = shape[3 if self._last else 1] if len(shape) == 4 else None
        if len(shape) != 4 or inputs[0].type not in INPUT_TYPES or (isinstance(channels, int) and channels != 3):
            takes = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs) or "nothing"
            raise ConfigError(
                f"Model {self._entry.name!r}: its ONNX file takes {takes}; expected one input of float images "
                "(N, 3, height, width) or (N, height, width, 3)."
            )
        height, width = shape[1:3] if self._last else shape[2:4]
        self.images = shape[0] if isinstance(shape[0], int) else None
        self.size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
        self._input, self._dtype = inputs[0].name, INPUT_TYPES[inputs[0].type]

    def check_size(self, height: int, width: int) -> None:
        """Refuse an input size that the file doesn't take.

        Raises:
            ConfigError: the file states another one.
        """
        if self.size is not None and self.size != (height, width):
            raise ConfigError(
                f"Model {self._entry.name!r}: its ONNX file takes images of {self.size[0]}x{self.size[1]} (height x width), "
                f"the entry makes them {height}x{width}: correct its size."
            )

    def run(self, batch: NDArray[np.float32]) -> Arrays:
        """Return the wanted outputs by name.

        Args:
            batch: ``(N, 3, height, width)``.

        Raises:
            ConfigError: the file can't be run on it.
        """
        values = batch.transpose(0, 2, 3, 1) if self._last else batch
        values = np.ascontiguousarray(values[0] if self._unbatched else values, self._dtype)
        try:
            found = self._session.run(self._outputs, {self._input: values})
        except Exception as error:
            raise ConfigError(
                f"Model {self._entry.name!r}: its ONNX file can't be run on images {values.shape}: {in_one_line(error)}."
            ) from None
        return {name: np.asarray(value) for name, value in zip(self._outputs, found, strict=True)}


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
