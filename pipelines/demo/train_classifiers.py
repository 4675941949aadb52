"""Train and measure the demo classifiers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipelines.demo.scenes import Scene
from pipelines.demo.schedules import Schedule, report_progress

INPUT = 128
"""Side of the input in pixels: the shorter side resized to it, then the middle square, as in the zoo entries."""

STORED = 160
"""Side of the stored middle squares from which random crops are taken."""

LABEL_SMOOTHING = 0.05


def middle_square(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Cut the middle square out of a uint8 ``(h, w, 3)`` image and scale it to ``side`` pixels."""
    height, width = image.shape[:2]
    left, top = max(width - height, 0) // 2, max(height - width, 0) // 2
    short = min(height, width)
    return _scaled(image[top : top + short, left : left + short], side)


def _scaled(square: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(square, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def train_classifier(
    model: nn.Module, scenes: Sequence[Scene], schedule: Schedule, mean: Sequence[float], std: Sequence[float]
) -> None:
    """Train in place: AdamW, one cycle, cross entropy.

    Args:
        model: maps normalised float32 ``(b, 3, 128, 128)`` to logits ``(b, 8)``.
        scenes: training scenes.
        schedule: epochs, batch size, learning rate, weight decay, seed.
        mean: of the normalisation, RGB on [0, 1].
        std: of the normalisation, RGB on [0, 1].
    """
    squares = np.stack([middle_square(scene.image, STORED) for scene in scenes])
    labels = torch.tensor([scene.label for scene in scenes])
    steps = schedule.steps(len(scenes))
    optimiser = torch.optim.AdamW(model.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, schedule.learning_rate, total_steps=steps, pct_start=0.2)
    loss_function = nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)
    model.train()
    for step, (picked, images) in enumerate(_batches(squares, schedule)):
        loss = loss_function(model(normalise(images, mean, std)), labels[picked])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        rates.step()
        report_progress(step, steps, float(loss.detach()))
    model.eval()


def top1_accuracy(model: nn.Module, scenes: Sequence[Scene], mean: Sequence[float], std: Sequence[float]) -> float:
    """Share of scenes, in percent, whose most probable class is the dominant object's."""
    model.eval()
    correct = 0
    with torch.inference_mode():
        for scene in scenes:
            logits = model(normalise(middle_square(scene.image, INPUT)[None], mean, std))
            correct += int(logits.argmax()) == scene.label
    return 100 * correct / len(scenes)


def normalise(images: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Turn uint8 RGB ``(b, h, w, 3)`` into normalised float32 ``(b, 3, h, w)``."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    return (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def _batches(squares: NDArray[np.uint8], schedule: Schedule) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Indices and augmented 128 x 128 images of every batch of every epoch."""
    rng = np.random.default_rng(schedule.seed)
    for _ in range(schedule.epochs):
        order = rng.permutation(len(squares))
        for start in range(0, len(order) - schedule.batch + 1, schedule.batch):
            picked = order[start : start + schedule.batch]
            yield picked, np.stack([_augment(rng, squares[index]) for index in picked])


def _augment(rng: np.random.Generator, square: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Random crop, mirror, and colour of one stored square."""
    side = int(rng.integers(int(0.85 * STORED), STORED + 1))
    top, left = rng.integers(0, STORED - side + 1, 2)
    image = _scaled(square[top : top + side, left : left + side], INPUT)
    return recolour(rng, image[:, ::-1] if rng.random() < 0.5 else image)


def recolour(rng: np.random.Generator, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Random brightness and contrast of every channel; sometimes noise or a slight blur."""
    gain = rng.uniform(0.75, 1.25) * rng.uniform(0.9, 1.1, 3)
    values = image * gain.astype(np.float32) + np.float32(rng.uniform(-20, 20))
    choice = rng.random()
    if choice < 0.2:
        values += rng.uniform(0, 10) * rng.standard_normal(image.shape, np.float32)
    elif choice < 0.4:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), rng.uniform(0.4, 1.2)))
    return np.clip(values, 0, 255).astype(np.uint8)
