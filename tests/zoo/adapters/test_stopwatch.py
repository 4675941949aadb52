"""Where a model's seconds are booked: preparing, network, predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from miqd_builder.responses import Classification, Response
from miqd_builder.zoo.adapters import stopwatch
from miqd_builder.zoo.adapters.base import Adapter, BatchedAdapter, BuildOptions, Prepared, RGBImage
from miqd_builder.zoo.entry import ModelEntry
from tests.zoo.adapters.test_contract import built, name  # noqa: F401  (a fixture)


class Clock:
    """Stands still between steps that say how long they take."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Layer(nn.Module):
    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds

    def forward(self, x: Tensor) -> Tensor:
        self.clock.now += self.seconds
        return x


class Network(nn.Module):
    """Normalises for 1 s, runs two layers of 10 s with 5 s between them, and chooses boxes for 100 s, as OpenMMLab's do."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.data_preprocessor = Layer(clock, 1)
        self.backbone = nn.Sequential(Layer(clock, 10))
        self.head = Layer(clock, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.backbone(self.data_preprocessor(x))
        self.clock.now += 5
        x = self.head(x)
        self.clock.now += 100
        return x


class Timed(BatchedAdapter):
    """Takes 0.1 s to prepare an image and 1000 s to make a prediction."""

    num_classes = 1

    def __init__(self, clock: Clock) -> None:
        super().__init__(ModelEntry(name="timed", task="cls", backend="python", target="a:b"), BuildOptions())
        self.clock = clock
        self.model = Network(clock)

    def prepare(self, image: RGBImage) -> Prepared:
        self.clock.now += 0.1
        return Prepared(torch.zeros(1))

    def infer(self, items: Sequence[Prepared]) -> list[Response]:
        self.model(items[0].inputs)
        self.clock.now += 1000
        return [Classification(np.ones(1, np.float32)) for _ in items]


def test_seconds_are_booked_where_they_are_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(stopwatch, "time", clock)
    model = Timed(clock)
    model.predict([np.zeros((2, 2, 3), np.uint8)] * 3)
    assert model.spent() == pytest.approx({"preprocess": 3 * 0.1 + 3 * 1, "forward": 3 * 25, "postprocess": 3 * 1100})
    assert model.spent() == {}


def test_every_back_end_tells_its_steps(name: str, images: list[np.ndarray]) -> None:  # noqa: F811
    model: Adapter = built(name)
    model.spent()
    model.predict(images[:1])
    seconds = model.spent()
    assert set(seconds) == {"preprocess", "forward", "postprocess"}
    assert all(spent > 0 for spent in seconds.values())
