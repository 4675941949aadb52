"""Images that the tests of the degradations share: a synthetic one, and the astronaut of the published figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data

from tests.degradations.pictures import GOLDEN, PUBLISHED_PICTURES, ellipse, scene


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    return scene(61, 83)


@pytest.fixture(scope="session")
def mask() -> np.ndarray:
    return ellipse(61, 83)


@pytest.fixture(scope="session")
def reference() -> dict[str, Any]:
    """Figures of the published generator for the astronaut, by distortion."""
    figures: dict[str, Any] = json.loads((GOLDEN / "published_astronaut.json").read_text())["distortions"]
    return figures


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    return np.ascontiguousarray(skimage.data.astronaut())


@pytest.fixture(scope="session")
def reference_png() -> Callable[[str], np.ndarray]:
    """Read one of the published generator's pictures."""
    if not PUBLISHED_PICTURES.is_dir():
        pytest.skip("the pictures of the published generator are not beside this checkout")

    def read(name: str) -> np.ndarray:
        bgr = cv2.imread(str(PUBLISHED_PICTURES / f"astronaut_{name}.png"), cv2.IMREAD_COLOR)
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

    return read
