"""A salient object network on one image: pixels in, map and mask out; through onnxruntime on one core."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from miqd_builder.errors import ConfigError
from miqd_builder.onnx_file import read_onnx
from miqd_builder.onnx_session import in_one_line, open_session
from miqd_builder.roi.salient_models import SalientInput, SalientModel
from miqd_builder.zoo.weights.cache import file_sha256, verified_file

FLAT = 1e-6
"""A map whose values differ by less has nothing in it."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A picture in the network's square.

    Attributes:
        pixels: uint8 ``(size, size, 3)`` RGB.
        top, left, height, width: where the picture is in it.
    """

    pixels: NDArray[np.uint8]
    top: int
    left: int
    height: int
    width: int


def salient_mask(image: NDArray[np.uint8], model: SalientModel) -> NDArray[np.uint8]:
    """Return the salient objects, uint8 ``(height, width)`` of 0 and 255; empty where the map is flat.

    Raises:
        ConfigError: the network is missing, another one than expected, or doesn't take or give what its entry says.
    """
    return np.where(salient_map(image, model) > model.threshold, np.uint8(255), np.uint8(0)).astype(np.uint8)


def salient_map(image: NDArray[np.uint8], model: SalientModel) -> NDArray[np.float32]:
    """Return how salient each pixel is, float32 ``(height, width)`` of 0..1, scaled to its own smallest and largest value.

    Every network of ``rembg`` is read so; a picture without any object gets a region too, the most salient there is.

    Args:
        image: uint8 ``(height, width, 3)`` RGB.
        model: the network.

    Raises:
        ConfigError: as for :func:`salient_mask`.
    """
    import cv2

    fitted = fit(image, model.preprocess)
    answer = _run(model, network_input(fitted.pixels, model.preprocess))
    size = model.preprocess.size
    square = cv2.resize(answer, (size, size), interpolation=cv2.INTER_LINEAR)
    inside = square[fitted.top : fitted.top + fitted.height, fitted.left : fitted.left + fitted.width]
    low, high = float(inside.min()), float(inside.max())
    if high - low < FLAT:
        return np.zeros(image.shape[:2], np.float32)
    scaled = (inside - low) / (high - low)
    return np.asarray(cv2.resize(scaled, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def fit(image: NDArray[np.uint8], settings: SalientInput) -> Fitted:
    """Resize a picture, uint8 ``(height, width, 3)``, into the network's square."""
    import cv2

    size = settings.size
    height = width = size
    if settings.fit == "pad":
        scale = size / max(image.shape[:2])
        height, width = max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))
    if settings.interpolation == "area":
        resized = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    else:
        resized = np.array(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
    top, left = (size - height) // 2, (size - width) // 2
    square = np.zeros((size, size, 3), np.uint8)
    square[top : top + height, left : left + width] = resized
    return Fitted(square, top, left, height, width)


def network_input(pixels: NDArray[np.uint8], settings: SalientInput) -> NDArray[np.float32]:
    """Return uint8 ``(size, size, 3)`` as the network takes it, float32 ``(1, 3, size, size)``."""
    largest = 255.0 if settings.divide_by == "255" else max(float(pixels.max()), 1e-6)
    values = (pixels / largest - np.array(settings.mean)) / np.array(settings.std)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32)


def open_network(model: SalientModel) -> Any:
    """Return the network's session, one a process, opened when it is first asked for and again when its file changes.

    Raises:
        ConfigError: as for :func:`salient_mask`, or onnxruntime is not installed.
    """
    file = verified_file(model)
    session = _session(file, file_sha256(file))
    inputs = session.get_inputs()
    size = model.preprocess.size
    shape = list(inputs[0].shape) if inputs else []
    fits = len(shape) == 4 and all(s == n or not isinstance(s, int) for s, n in zip(shape, (1, 3, size, size), strict=True))
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or not fits:
        takes = ", ".join(f"{i.type} {i.shape}" for i in inputs)
        raise ConfigError(
            f"{file} takes {takes or 'nothing'}, expected one tensor(float) [1, 3, {size}, {size}]: state its size with "
            "preprocess in a .yaml file of the form of model_zoo_configs/roi.yaml, and give that as roi.model."
        )
    return session


def _run(model: SalientModel, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the network's first output as float32 ``(rows, columns)`` of 0..1."""
    session = open_network(model)
    try:
        answer = np.asarray(session.run([session.get_outputs()[0].name], {session.get_inputs()[0].name: values})[0])
    except Exception as error:  # onnxruntime's errors have no base of their own
        raise ConfigError(f"roi.model '{model.name}' can't be run: {in_one_line(error)}. Give another one.") from None
    if answer.ndim != 4 or answer.shape[:2] != (1, 1) or not np.isfinite(answer).all():
        raise ConfigError(
            f"roi.model '{model.name}' gave {answer.dtype} {answer.shape}: expected finite values (1, 1, rows, columns)."
        )
    found = answer[0, 0].astype(np.float64)
    return np.asarray(1 / (1 + np.exp(-found)) if model.output == "logits" else found, np.float32)


@lru_cache(maxsize=1)
def _session(file: Path, sha256: str) -> Any:
    content = read_onnx(file)
    try:
        return open_session(content, who="roi.kind 'salient'")
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{file} can't be opened by onnxruntime: {in_one_line(error)}. Replace it.") from None
