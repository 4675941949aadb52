"""The feed of a pass: shared crops and several threads change nothing in what is stored."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional
from torchvision.transforms.functional import InterpolationMode

from miqd_builder.zoo.adapters.preprocess import ClassifierInput
from miqd_builder.zoo.adapters.shared_crops import SHARED_CROPS, SharedCrops
from pipelines.stages.feed import MOST_THREADS, feed_threads
from pipelines.stages.read_ahead import read_ahead_of_all
from tests.conftest import DataSet, part_bytes, write_run, write_zoo


def by_torchvision(settings: ClassifierInput, image: np.ndarray) -> torch.Tensor:
    """What torchvision's own transforms make of an image, one after the other."""
    size = settings.resize if isinstance(settings.resize, int) else list(settings.resize)
    picture = functional.resize(Image.fromarray(image), size, InterpolationMode(settings.interpolation))
    values = functional.to_tensor(functional.center_crop(picture, list(settings.crop)))
    return functional.normalize(values, list(settings.mean), list(settings.std))


@pytest.mark.parametrize("size", [(300, 400), (37, 91), (1, 1), (1, 40)])
@pytest.mark.parametrize(
    "settings",
    [
        ClassifierInput(64, (56, 56)),
        ClassifierInput((40, 50), (40, 50), "bicubic", (0.5, 0.5, 0.5), (0.5, 0.25, 1.0)),
        ClassifierInput(3, (1, 1), "nearest"),
        ClassifierInput(9, (1, 13), "lanczos", (0.1, 0.2, 0.3), (0.011, 0.3, 0.7)),
    ],
)
def test_the_bits_are_those_of_torchvision(size: tuple[int, int], settings: ClassifierInput) -> None:
    images = [np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8) for seed in range(3)]
    expected = torch.stack([by_torchvision(settings, image) for image in images])
    found = settings.normalised([settings.cropped(image) for image in images], torch.device("cpu"))
    assert torch.equal(found, expected) and torch.equal(settings(images[1]), expected[1])


def test_every_level_of_every_channel() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    settings = ClassifierInput((16, 16), (16, 16), "nearest", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert torch.equal(settings(ramp), by_torchvision(settings, ramp))


def test_crops_are_made_once_and_go_with_their_image() -> None:
    crops, made = SharedCrops(), []

    def make(image: np.ndarray) -> np.ndarray:
        made.append(image.shape)
        return image[:1, :1].copy()

    image = np.zeros((4, 4, 3), np.uint8)
    crops.of(image, "a", make)
    assert len(crops) == 0  # nobody announced it
    crops.share(image)
    crops.share(image)
    first = crops.of(image, "a", make)
    assert crops.of(image, "a", make) is first and crops.of(image, "b", make) is not first
    assert len(made) == 3 and len(crops) == 1
    del image
    gc.collect()
    assert len(crops) == 0


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_streams_come_in_order_and_errors_in_their_place(threads: int) -> None:
    assert list(read_ahead_of_all(([i, i + 1] for i in range(0, 40, 2)), threads)) == list(range(40))
    assert list(read_ahead_of_all([[], [1], []], threads)) == [1]

    def broken() -> Iterator[int]:
        yield 2
        raise FileNotFoundError("gone")

    found = []
    with pytest.raises(FileNotFoundError, match="gone"):
        for item in read_ahead_of_all([[0, 1], broken(), [3]], threads):
            found.append(item)
    assert found[:2] == [0, 1]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


def test_threads_make_streams_at_the_same_time_and_not_too_many() -> None:
    barrier, begun = threading.Barrier(3), []

    def stream(number: int) -> Iterator[int]:
        begun.append(number)
        if number < 3:
            barrier.wait(timeout=30)  # only passed if three threads are here
        yield number

    for item in read_ahead_of_all(map(stream, range(30)), threads=3, ahead=2):
        assert max(begun) <= item + 3 + 2


@pytest.mark.parametrize(
    ("asked", "device", "workers", "expected"),
    [
        (None, "cpu", None, 1),
        (3, "cpu", 2, 3),
        (5, "cuda", None, 5),
        (None, "cuda", 2, 8),
        (None, "cuda", 16, 2),
        (None, "cuda", 99, 1),
    ],
)
def test_number_of_threads(
    asked: int | None, device: str, workers: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 32)
    assert MOST_THREADS == 8
    assert feed_threads(asked, device, workers) == expected


CROP = {"resize_short": 40, "crop": 32}
PREPROCESS = [
    {**CROP, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    {**CROP, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    {"resize_short": 36, "crop": 32},
]


@pytest.fixture
def classifiers(tmp_path: Path) -> Path:
    """Three networks, two of which differ in their normalisation only."""
    import timm
    from safetensors.torch import save_file

    entries: list[dict[str, Any]] = []
    for index, preprocess in enumerate(PREPROCESS):
        torch.manual_seed(index)
        file = tmp_path / f"{index}.safetensors"
        save_file(timm.create_model("mobilenetv3_small_050", num_classes=4).state_dict(), file)
        entries.append(
            {
                "name": f"net_{index}",
                "task": "cls",
                "backend": "timm",
                "arch": "mobilenetv3_small_050",
                "arch_kwargs": {"num_classes": 4},
                "preprocess": preprocess,
                "checkpoint": {"path": file.name},
                "metric": {"name": "top1", "value": 50.0, "source": "made up"},
            }
        )
    return write_zoo(tmp_path / "zoo.yaml", entries)


@pytest.mark.parametrize("images", ["png", "none"])
def test_sharing_and_threads_change_no_byte(
    miqd: Any, data: DataSet, classifiers: Path, tmp_path: Path, images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path, data, classifiers, degradations=["fog_*", "contrast_*"], weights="uniform", images=images)
    made: list[int] = []
    crop = ClassifierInput._crop

    def counted(self: ClassifierInput, image: np.ndarray) -> np.ndarray:
        made.append(id(image))
        return crop(self, image)

    monkeypatch.setattr(ClassifierInput, "_crop", counted)
    found, crops = {}, {}
    for way in ("alone", "shared", "threads"):
        if way == "alone":
            monkeypatch.setattr(SharedCrops, "share", lambda self, image: None)
        else:
            monkeypatch.undo()
            monkeypatch.setattr(ClassifierInput, "_crop", counted)
        made.clear()
        threads = 3 if way == "threads" else 1
        command = ("label", "--task", "cls", "--run", run, "--out", tmp_path / way, "--set", f"feed_threads={threads}")
        shown = miqd(*command, "--scheduler", "inline")
        assert shown.code == 0, shown.err
        found[way] = part_bytes(tmp_path / way, "responses")
        crops[way] = len(made)
    assert found["alone"] == found["shared"] == found["threads"]
    pictures = 4 * (50 + 1)
    assert crops["shared"] == crops["threads"] == 2 * pictures  # two kinds of crop for three models
    assert crops["alone"] > 3 * pictures  # each model its own, and those made ahead that are thrown away
    gc.collect()
    assert len(SHARED_CROPS) == 0
