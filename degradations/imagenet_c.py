"""The ImageNet-C suite: 19 corruptions of fixed severity from the package ``imagecorruptions-imaug``, repeatable by key.

The package draws from NumPy's global generator. Here its functions run with a module dictionary of their own, in which ``np``
has a private generator for ``np.random``: the package and NumPy stay as they are.
"""

from __future__ import annotations

import importlib
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from degradations.errors import DegradationError
from degradations.inputs import Image
from degradations.quality import SEVERITIES
from degradations.registry import register

SUITE = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur"),
    "environment": ("snow", "frost", "fog", "brightness", "spatter"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression", "saturate"),
}
"""Corruptions by category; each becomes the distortion ``imagenet_c_<corruption>``."""

_SMALLEST = 32
# These two draw from elsewhere (scikit-image, numba) and take a seed instead.
_SEEDED = ("impulse_noise", "glass_blur")


class MissingPackageError(DegradationError):
    """The package that holds the suite is not installed."""


def corrupt(corruption: str, image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Return the image with one of the corruptions.

    Args:
        corruption: name in the package, such as ``zoom_blur``.
        image: uint8 ``(height, width, 3)``, at least 32 pixels on each side.
        severity: 1..5.
        rng: the only source of randomness.

    Raises:
        MissingPackageError: the package is not installed.
        DegradationError: the image is too small.
    """
    from PIL import Image as Pillow

    if min(image.shape[:2]) < _SMALLEST:
        size = f"{image.shape[1]}x{image.shape[0]}"
        raise DegradationError(f"imagenet_c_{corruption} needs an image of at least {_SMALLEST}x{_SMALLEST} pixels, got {size}")
    function = _with_private_randomness(_package(), rng)[corruption]
    seed = {"seed": int(rng.integers(2**31))} if corruption in _SEEDED else {}
    return np.asarray(function(Pillow.fromarray(image), severity, **seed)).astype(np.uint8)


class _NumpyWithRandom:
    """NumPy, but for ``random``."""

    def __init__(self, random: np.random.RandomState) -> None:
        self.random = random

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _with_private_randomness(module: ModuleType, rng: np.random.Generator) -> dict[str, Any]:
    """Return the module's names, its Python functions rebuilt so that they see each other and a private ``np.random``."""
    scope = dict(vars(module), np=_NumpyWithRandom(np.random.RandomState(rng.bit_generator)))
    for name, value in vars(module).items():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            scope[name] = FunctionType(value.__code__, scope, name, value.__defaults__, value.__closure__)
    return scope


def _package() -> ModuleType:
    try:
        return importlib.import_module("imagecorruptions.corruptions")
    except ImportError as error:
        raise MissingPackageError(
            f"The imagenet_c distortions need imagecorruptions-imaug: pip install imagecorruptions-imaug ({error})"
        ) from error


def _distortion(corruption: str) -> FunctionType:
    def distort(image: Image, severity: float, *, rng: np.random.Generator) -> Image:
        return corrupt(corruption, image, int(severity), rng)

    distort.__qualname__ = f"distort.{corruption}"
    assert isinstance(distort, FunctionType)
    return distort


for _category, _corruptions in SUITE.items():
    for _corruption in _corruptions:
        register(f"imagenet_c_{_corruption}", category=_category, candidates=SEVERITIES, ranked=False)(_distortion(_corruption))
