"""miqa-small, the project's own network: one for all outputs, aware of regions, small enough for a camera on a CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import timm
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from degradations import MIQD_DISTORTIONS
from machine_iqa.networks.base import Output, Prediction, QualityNetwork, Views
from machine_iqa.networks.certainty import AGREEMENT, agreement, certainty
from machine_iqa.networks.certainty import STATISTICS as CERTAINTY
from machine_iqa.networks.crops import HALF, IMAGENET_MEAN, IMAGENET_STD, normalised
from machine_iqa.networks.objects import BEST, seen_objects
from machine_iqa.networks.objects import STATISTICS as OF_A_LEVEL
from machine_iqa.networks.patch_branch import STATISTICS as PIXELS
from machine_iqa.networks.patch_branch import PatchBranch, deviation, pixel_statistics
from machine_iqa.networks.pretrained import load_pretrained
from machine_iqa.networks.regions import by_region, to_size_of
from machine_iqa.networks.whole_image import (
    BLOCK,
    GRID,
    LONGEST,
    PATCH,
    SHARE,
    SQUARE,
    STEP,
    central_square,
    input_size,
    native_patches,
    resized,
)
from machine_iqa.networks.yolox_nano import LEVELS as DETECTOR_LEVELS
from machine_iqa.networks.yolox_nano import YoloxNano, from_mmdet
from miqd_builder.errors import ConfigError

BACKBONE = "tf_efficientnet_lite0"
LEVELS = (1, 2, 3, 4)
CHANNELS = (24, 40, 112, 320)
"""The backbone's features at strides 4, 8, 16 and 32, and their channels."""
DISTORTIONS = len(MIQD_DISTORTIONS)
DAMAGE = 128
"""Width of the layer that tells distortions apart."""
LARGE = 8_000
"""Numbers of a matrix or kernel from which files hold it in 8 bits, but for those of the heads."""


class MiqaSmall(QualityNetwork):
    """Scores a whole image of any shape, with a soft mask of the region of interest that it predicts itself.

    EfficientNet-Lite0, a classifier, looks at the whole image, made smaller, and stays nearly as it was. How sure it is of what
    it sees, and whether SqueezeNet 1.1, which looks at the central square, sees the same, tells most of what classifiers will
    say. YOLOX-nano, a detector, looks at the image in nearly twice the height and width: how many objects it finds, and how
    sure it is of them, tells most of what detectors and segmenters will find. A mask head says where the region of interest is;
    the first classifier's features are averaged over it, over the background and over everything, so that damage in either
    place counts for what it is. What making the image smaller hides, noise and blocking, is seen on 3x3 patches of the
    original pixels, by fixed statistics and by a small branch that learns, averaged over the same regions. From features and
    patches it says what was done to the image, which distortion and how severe in either place: every rendered image teaches
    that, whatever models say of it. A head for each task, a small perceptron, joins what the models inside say, the statistics
    and the damage to scores from 0 to 1: that of cls gets the second classifier's answer, the others get the objects. Heads get
    no features: of few photographs they would learn the photographs. What no task needs isn't there.

    Views: ``image`` and, for the detector, ``large``, the image in two sizes, values -1 to 1; ``square``, for the second
    classifier, normalised as for ImageNet's; ``patches``, ``(9, 3, 64, 64)``; ``scale``, ``(1,)``, log2 of how many times
    larger the original is than ``image``.

    Args:
        outputs: columns of its scores.
        backbone: pretrained weights of timm's ``tf_efficientnet_lite0``; random without.
        second: pretrained weights of torchvision's ``squeezenet1_1``; random without.
        detector: checkpoint of mmdet's ``yolox_nano``; random without.
        area: pixels that the backbone looks at; time grows with it.
        large_area: pixels that the detector looks at; time grows with it.
        hidden: width of the heads.

    Raises:
        ConfigError: a file of weights doesn't fit, or no task needs it.
    """

    backbone_modules = ("pretrained",)
    any_size = ("image", "large")
    faster_in_onnx = True

    def __init__(
        self,
        outputs: Sequence[Output],
        backbone: str | Path | None = None,
        second: str | Path | None = None,
        detector: str | Path | None = None,
        area: int = 192 * 256,
        large_area: int = 352 * 480,
        hidden: int = 256,
    ) -> None:
        super().__init__()
        self.outputs, self.area = tuple(outputs), area
        self._areas = {"image": area}
        tasks: list[str] = [output.task for output in self.outputs]
        extra = {task: "second" if task == "cls" else "detector" for task in dict.fromkeys(tasks)}
        for name, file in (("second", second), ("detector", detector)):
            if file is not None and name not in extra.values():
                raise ConfigError(f"miqa-small has no part '{name}' for {', '.join(extra)}: leave the option '{name}' out.")
        parts: dict[str, nn.Module] = {"backbone": timm.create_model(BACKBONE)}
        if backbone is not None:
            load_pretrained(parts["backbone"], backbone)
        if "second" in extra.values():
            parts["second"] = torchvision.models.squeezenet1_1()
            if second is not None:
                load_pretrained(parts["second"], second)
        if "detector" in extra.values():
            self._areas["large"] = large_area
            parts["detector"] = YoloxNano()
            if detector is not None:
                load_pretrained(parts["detector"], detector, from_mmdet)
        self.pretrained = nn.ModuleDict(parts)
        self.mask_head = nn.Sequential(nn.Conv2d(sum(CHANNELS[2:]), 64, 1), nn.ReLU(), nn.Conv2d(64, 1, 3, padding=1))
        self.patch_branch = PatchBranch()
        features = 2 * CHANNELS[0] + 3 * sum(CHANNELS[1:])
        told = 3 * PIXELS + 1
        self.damage = nn.Sequential(
            nn.LayerNorm(features + 3 * self.patch_branch.width + told),
            nn.Dropout(0.3),
            nn.Linear(features + 3 * self.patch_branch.width + told, DAMAGE),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(DAMAGE, DISTORTIONS + 2),
        )
        width = CERTAINTY + told + DISTORTIONS + 2
        widths = {"second": CERTAINTY + AGREEMENT, "detector": OF_A_LEVEL * DETECTOR_LEVELS + len(BEST)}
        self._extra = extra
        self.heads = nn.ModuleDict(
            {task: joining(width + widths[name], hidden, tasks.count(task)) for task, name in extra.items()}
        )
        of_heads = [place for task in self.heads for place, other in enumerate(tasks) if other == task]
        self._columns = [of_heads.index(place) for place in range(len(tasks))]
        self.eight_bits = tuple(
            name
            for name, tensor in self.state_dict().items()
            if tensor.ndim > 1 and tensor.numel() >= LARGE and not name.startswith("heads.")
        )

    def train(self, mode: bool = True) -> MiqaSmall:
        """Set the mode; pretrained parts stay in evaluation: their statistics are those of many more images."""
        super().train(mode)
        self.pretrained.eval()
        return self

    def views(self, image: NDArray[np.uint8], rng: np.random.Generator | None = None) -> Views:
        """Return the views; training moves the patches, and flips nothing: masks stay in place."""
        scale = 0.5 * np.log2(image.shape[0] * image.shape[1] / self.area)
        patches = native_patches(image, rng)
        tall = normalised(patches.reshape(-1, patches.shape[2], 3), HALF, HALF)
        sizes = {name: input_size(image.shape[0], image.shape[1], area) for name, area in self._areas.items()}
        views = {name: normalised(resized(image, *size), HALF, HALF) for name, size in sizes.items()}
        if "second" in self.pretrained:
            views["square"] = normalised(central_square(image), IMAGENET_MEAN, IMAGENET_STD)
        return views | {
            "patches": tall.reshape(3, len(patches), *patches.shape[1:3]).transpose(0, 1).contiguous(),
            "scale": torch.tensor([scale], dtype=torch.float32),
        }

    def preprocessing(self) -> dict[str, Any]:
        """Return how the views are made."""
        values = {"channels": "RGB", "scale": 1 / 255, "mean": list(HALF), "std": list(HALF)}
        interpolation = "area where it shrinks, bilinear where it grows (OpenCV)"
        how = {"multiple_of": STEP, "longest_proportion": LONGEST, "interpolation": interpolation}
        views: dict[str, Any] = {name: values | {"resize": {"area": area} | how} for name, area in self._areas.items()}
        if "second" in self.pretrained:
            of_square = {"share_of_short_side": SHARE, "side": SQUARE, "interpolation": interpolation}
            views["square"] = values | {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD), "centre_square": of_square}
        patches = {"grid": GRID, "side": PATCH, "starts_multiple_of": BLOCK, "smaller_images": "continued by reflection"}
        return views | {"patches": values | patches, "scale": f"log2(height * width / {self.area}) / 2"}

    def forward(self, views: Views) -> Prediction:
        """Score a batch; ``mask`` has a sixteenth of the resized image's sides."""
        inputs, mask, damage = self.before_heads(views)
        return Prediction(self.scores(inputs), mask, damage)

    def scores(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the scores that the heads give, float32 ``(N, outputs)``, of what each gets."""
        logits = [head(inputs[task]) for task, head in self.heads.items()]
        return torch.sigmoid(torch.cat(logits, 1)[:, self._columns])

    def before_heads(self, views: Views) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return what each task's head gets, float32 ``(N, width)`` by task, and mask and damage as a prediction has them."""
        backbone = cast(Any, self.pretrained["backbone"])
        last, (fine, *levels) = backbone.forward_intermediates(views["image"], indices=LEVELS)
        mask = self.mask_head(torch.cat([levels[1], to_size_of(levels[2], levels[1])], 1))
        inside = torch.sigmoid(mask)
        features = [fine.mean((2, 3)), deviation(fine.flatten(2))]
        for level in levels:
            features += by_region(level.flatten(2), to_size_of(inside, level).flatten(2))
        cells = F.interpolate(inside, size=(GRID, GRID), mode="bilinear", align_corners=False).flatten(2)
        patches = by_region(self.patch_branch(views["patches"]), cells)
        told = [*by_region(pixel_statistics(views["patches"]), cells), views["scale"]]
        damage = self.damage(torch.cat([*features, *patches, *told], 1))
        which, severe = damage[:, :DISTORTIONS], damage[:, DISTORTIONS:]
        answer = backbone.forward_head(last)
        joined = [
            certainty(answer),
            *told,
            which.detach().softmax(1),
            severe.detach(),
        ]
        extra = {}
        if "square" in views:
            second = self.pretrained["second"](views["square"])
            extra["second"] = [certainty(second), agreement(answer, second)]
        if "large" in views:
            bgr = (views["large"].flip(1) + 1) / 2  # 0 to 1
            extra["detector"] = [seen_objects(self.pretrained["detector"](bgr), inside)]
        inputs = {task: torch.cat([*joined, *extra[name]], 1) for task, name in self._extra.items()}
        return inputs, mask, damage


def joining(width: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return an untrained head: logits ``(N, outputs)`` of its task from what it gets, ``(N, width)``."""
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(0.3), nn.Linear(hidden, outputs))
