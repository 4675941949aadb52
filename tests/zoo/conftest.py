"""Images that the zoo's tests share."""

from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def images() -> list[np.ndarray]:
    """Coarse random pictures of two sizes in turn, and one of a single pixel."""
    rng = np.random.default_rng(0)
    sizes = [(60, 80), (90, 64)] * 2
    coarse = [rng.integers(0, 256, (height // 10, width // 8, 3), np.uint8) for height, width in sizes]
    pictures = [np.kron(tile, np.ones((10, 8, 1), np.uint8)) for tile in coarse]
    return [*pictures, np.full((1, 1, 3), 200, np.uint8)]


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real photographs and models; tests that need it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "real"
    if not folder.is_dir():
        pytest.skip("../shared/real (real photographs and weights) is not here")
    return folder
