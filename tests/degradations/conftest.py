"""Images that the tests of the degradations share: a synthetic one, and the astronaut of the published figures."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
import pytest

from tests.degradations.pictures import REFERENCE, ellipse, scene


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    return scene(61, 83)


@pytest.fixture(scope="session")
def mask() -> np.ndarray:
    return ellipse(61, 83)


@pytest.fixture(scope="session")
def reference() -> dict[str, Any]:
    """Figures of the published generator, by distortion."""
    file = REFERENCE / "golden_astronaut.json"
    if not file.exists():
        pytest.skip(f"no reference figures: {file.parent} is absent")
    return json.loads(file.read_text())["distortions"]


@pytest.fixture(scope="session")
def astronaut(reference: dict[str, Any]) -> np.ndarray:
    data = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(data.astronaut())


@pytest.fixture(scope="session")
def reference_png(reference: dict[str, Any]):
    """Read one of the reference pictures."""

    def read(name: str) -> np.ndarray:
        bgr = cv2.imread(str(REFERENCE / "astronaut" / f"astronaut_{name}.png"), cv2.IMREAD_COLOR)
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

    return read
