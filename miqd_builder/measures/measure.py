"""What a measure is: its record, and how its images and values are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Values = NDArray[np.float64]

Scorer = Callable[[Images, Images | None], Values]
"""Degraded uint8 ``(n, height, width, 3)`` RGB and a reference, ``(height, width, 3)``, ``(n, height, width, 3)`` or None, in;
n values out."""

Core = Callable[[Images, Images], Values]
"""A scorer without the checks: images that are large enough, the reference ``(1 or n, height, width, 3)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A measure of image quality.

    Attributes:
        name: as in tables.
        reference: ``full`` compares with the undegraded image, ``none`` looks at the degraded one alone.
        lower_better: whether small values are good ones.
        score_range: least and greatest value that it can take, infinite where there is no bound.
        minimum_size: least height and width in pixels; a smaller image has no value (NaN).
        input: what becomes of a uint8 RGB image, as the measure was published: colours, range, resolution.
        source: paper, with its DOI or arXiv number.
        licence: of the code that computes it.
        weights: names in ``model_zoo_configs/measures.yaml``.
        agrees_with: the reference implementation that it is tested against.
        tolerance: greatest difference from it on photographs.
        version: raise it when the values change.
        content: hash of what else the values depend on, such as a quality model's weights; none for measures of the registry.
        build: makes the core from a device and the files of the weights.
    """

    name: str
    reference: Literal["full", "none"]
    lower_better: bool
    score_range: tuple[float, float]
    minimum_size: int
    input: str
    source: str
    licence: str
    agrees_with: str
    tolerance: float
    build: Callable[[str, Mapping[str, Path]], Core]
    weights: tuple[str, ...] = ()
    version: int = 1
    content: str = ""

    def create(self, device: str = "cpu", own_weights: Sequence[Path] = ()) -> Scorer:
        """Return the function that scores batches of images of one size, an image alone as in a batch.

        It changes no global state: who wants the same last bits everywhere runs torch with one thread.

        Args:
            device: ``cpu``, ``cuda``, ``cuda:1``.
            own_weights: lists of weights beside ``model_zoo_configs/measures.yaml``, see
                :func:`miqd_builder.measures.weights.weight_files`.

        Returns:
            A function of degraded images, uint8 ``(n, height, width, 3)`` RGB, and their reference, ``(height, width, 3)`` for
            all or ``(n, height, width, 3)``; a measure without reference ignores it. It returns float64 ``(n,)``: NaN where
            the measure is undefined; an infinity is a value.

        Raises:
            ConfigError: weights are missing or other ones than expected, or an optional package isn't installed.
        """
        files: dict[str, Path] = {}
        if self.weights:
            from miqd_builder.measures.weights import verified_weights

            files = {name: verified_weights(name, own_weights) for name in self.weights}
        return partial(_score, self, self.build(device, files))


def _score(measure: Measure, core: Core, degraded: Images, reference: Images | None = None) -> Values:
    _check(measure.name, "degraded images", degraded, (4,))
    if measure.reference == "none":
        reference = degraded[:1]  # never looked at
    elif reference is None:
        raise ValueError(f"{measure.name} compares with a reference: expected the undegraded image, got None")
    else:
        _check(measure.name, "reference", reference, (3, 4))
        reference = reference[None] if reference.ndim == 3 else reference
        if reference.shape[1:] != degraded.shape[1:] or len(reference) not in (1, len(degraded)):
            raise ValueError(f"{measure.name}: images {degraded.shape} and reference {reference.shape} don't match")
    if not len(degraded) or min(degraded.shape[1:3]) < measure.minimum_size:
        return np.full(len(degraded), np.nan)
    values = np.asarray(core(degraded, reference), np.float64)
    if values.shape != (len(degraded),):
        raise ValueError(f"{measure.name} returned {values.shape} for {len(degraded)} images: expected one value an image")
    return values


def _check(measure: str, what: str, images: Images, dimensions: tuple[int, ...]) -> None:
    if images.dtype != np.uint8 or images.ndim not in dimensions or images.shape[-1] != 3:
        raise ValueError(f"{measure}: expected {what} as uint8 (..., height, width, 3) RGB, got {images.dtype} {images.shape}")
