"""Where a model's time goes: preparing images, the network itself, and turning its output into predictions."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

PREPROCESS, FORWARD, POSTPROCESS = "preprocess", "forward", "postprocess"
NOT_LAYERS = ("data_preprocessor",)
"""Children of OpenMMLab's networks that normalise and stack images."""


class Stopwatch:
    """Adds up the seconds of a model's steps.

    ``forward`` is the time from the start of the network's first layer to the end of its last one, with everything between them
    (a two-stage detector chooses its proposals there); on a GPU, the time between these two events there. What comes before it
    in a pass (stacking, copying to the device, normalising) belongs to ``preprocess``, what follows to ``postprocess``.

    Attributes:
        seconds: seconds by step.
    """

    def __init__(self, device: torch.device) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._cuda = device.type == "cuda"
        self._first: Any = None
        self._last: Any = None

    def watch(self, network: nn.Module) -> None:
        """Note when the network's children, and theirs, begin and end."""
        for name, child in network.named_children():
            if name in NOT_LAYERS:
                continue
            for layer in (child, *child.children()):
                layer.register_forward_pre_hook(self._begin)
                layer.register_forward_hook(self._end)

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Time the preparation of images."""
        start = time.perf_counter()
        yield
        self.seconds[PREPROCESS] += time.perf_counter() - start

    @contextmanager
    def inferring(self) -> Iterator[None]:
        """Time a pass through the network, from prepared images to predictions."""
        self._first = self._last = None
        start = time.perf_counter()
        yield
        total = time.perf_counter() - start
        if self._last is None:
            self.seconds[FORWARD] += total
            return
        began, mark = self._first
        before = began - start
        forward = self._between(mark, self._last)
        self.seconds[PREPROCESS] += before
        self.seconds[FORWARD] += forward
        self.seconds[POSTPROCESS] += max(0.0, total - before - forward)

    def _begin(self, layer: nn.Module, inputs: Any) -> None:
        if self._first is None:
            if self._cuda:
                torch.cuda.current_stream().synchronize()
            self._first = time.perf_counter(), self._mark()

    def _end(self, layer: nn.Module, inputs: Any, output: Any) -> None:
        self._last = self._mark()

    def _mark(self) -> Any:
        """A moment: on a GPU an event, since its work goes on after the call returned."""
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _between(self, first: Any, last: Any) -> float:
        if not self._cuda:
            return float(last - first)
        last.synchronize()
        return float(first.elapsed_time(last)) / 1000
