"""How images are gathered into passes of the network, on a model that records what it sees."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from miqd_builder.responses import Classification, Response
from miqd_builder.zoo.adapters.base import BatchedAdapter, BuildOptions, Prepared, RGBImage
from miqd_builder.zoo.entry import ModelEntry

ENTRY = ModelEntry(name="m", task="cls", backend="timm", arch="a")


class Recorder(BatchedAdapter):
    """Predicts the image's first value; runs out of memory above ``memory`` images, or pixels in a pass."""

    cpu_group = 4

    def __init__(self, options: BuildOptions, memory: int = 1000, memory_pixels: int = 10**9) -> None:
        super().__init__(ENTRY, options)
        self.memory, self.memory_pixels, self.passes = memory, memory_pixels, []
        self.most_prepared = self.prepared = self.out_of_memory = 0

    def prepare(self, image: RGBImage) -> Prepared:
        self.prepared += 1
        self.most_prepared = max(self.most_prepared, self.prepared)
        return Prepared(torch.from_numpy(image))

    def infer(self, items: Sequence[Prepared]) -> list[Response]:
        shapes = {item.inputs.shape for item in items}
        assert len(shapes) == 1, "images of several sizes in one pass"
        assert torch.is_inference_mode_enabled()
        if len(items) > self.memory or len(items) * items[0].inputs[..., 0].numel() > self.memory_pixels:
            self.out_of_memory += 1
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        self.passes.append(len(items))
        self.prepared = 0
        return [Classification(item.inputs[0, 0, :1].numpy()) for item in items]


def numbered(count: int) -> list[np.ndarray]:
    """Images of three sizes in turn, each marked with its number."""
    return [np.full((2 + i % 3, 5, 3), i, np.uint8) for i in range(count)]


def on_gpu(batch_size: int, **memory: int) -> Recorder:
    """A recorder that groups as on a GPU; nothing of it touches one."""
    return Recorder(BuildOptions("cuda", batch_size), **memory)


def predictions(model: Recorder, images: list[np.ndarray]) -> list[int]:
    return [int(response.probabilities[0]) for response in model.predict(images)]


@pytest.mark.parametrize("batch_size", [None, 1, 3, 7, 32])
def test_the_cpu_always_sees_groups_of_one_size(batch_size: int | None) -> None:
    model = Recorder(BuildOptions("cpu", batch_size))
    assert predictions(model, numbered(29)) == list(range(29))
    assert set(model.passes) == {4}


def test_the_batch_size_bounds_what_is_prepared_on_the_cpu() -> None:
    images = [np.zeros((2, 2, 3), np.uint8)] * 40
    for batch_size, most in ((1, 4), (5, 8), (32, 32)):
        model = Recorder(BuildOptions("cpu", batch_size))
        model.predict(images)
        assert model.most_prepared == most


def test_a_gpu_sees_the_batch_size() -> None:
    model = on_gpu(batch_size=6)
    assert predictions(model, numbered(29)) == list(range(29))
    assert set(model.passes) == {6}


def test_running_out_of_memory_halves_the_batch_and_is_remembered() -> None:
    model = on_gpu(batch_size=16, memory=5)
    assert predictions(model, numbered(50)) == list(range(50))
    assert set(model.passes) == {4}
    failures = model.out_of_memory
    model.passes.clear()
    assert predictions(model, numbered(7)) == list(range(7))
    assert set(model.passes) == {4} and model.out_of_memory == failures


def test_large_images_do_not_make_the_batches_of_small_ones_smaller() -> None:
    model = on_gpu(batch_size=16, memory_pixels=16 * 5 * 2)
    small, large = np.zeros((2, 5, 3), np.uint8), np.zeros((8, 5, 3), np.uint8)
    model.predict([large] * 16 + [small] * 16)
    assert model.passes == [4, 4, 4, 4, 16]
    model.predict([small] * 16)
    assert model.passes[-1] == 16 and model.out_of_memory == 2


def test_one_image_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.cuda.OutOfMemoryError):
        on_gpu(batch_size=4, memory=0).predict(numbered(1))
