"""The optional ultralytics adapter against the package's own predict."""

import numpy as np
import pytest
import torch

from miqd_builder.errors import ConfigError
from miqd_builder.responses import encode_masks
from miqd_builder.zoo.adapters.categories import category_ids_of
from miqd_builder.zoo.build import build
from miqd_builder.zoo.entry import ModelEntry
from tests.zoo.small_models import SMALL_MODELS

pytest.importorskip("ultralytics", reason="the optional extra ultralytics is not installed")


def entry(task: str, **fields) -> ModelEntry:
    return ModelEntry(name="m", task=task, backend="ultralytics", **fields)


@pytest.mark.parametrize("name", ["ultralytics", "ultralytics-seg"])
def test_detections_are_those_of_its_own_predict(name: str, images: list[np.ndarray]) -> None:
    model = build(SMALL_MODELS[name], random_weights=True)
    from ultralytics import YOLO

    for branch in model.model.model[-1].cv3:  # initial weights find nothing
        torch.nn.init.constant_(branch[-1].bias, 0.0)
    theirs = YOLO(f"{model.entry.arch}.yaml", verbose=False)
    theirs.model = model.model
    options = {"conf": 0.01, "iou": 0.6, "max_det": 100, "retina_masks": True, "verbose": False, "save": False, "device": "cpu"}
    category_ids = category_ids_of("", model.num_classes, None)
    for image in images[:2]:
        (result,) = theirs.predict(np.ascontiguousarray(image[:, :, ::-1]), **options)
        (ours,) = model.predict([image])
        order = np.argsort(-result.boxes.conf.numpy(), kind="stable")
        boxes, found = result.boxes.xyxy.numpy()[order], len(ours.scores)
        area = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1)
        assert 0 < found == area.sum()
        np.testing.assert_allclose(ours.boxes, boxes[area], atol=1e-3)
        np.testing.assert_allclose(ours.scores, result.boxes.conf.numpy()[order][area], atol=1e-6)
        np.testing.assert_array_equal(ours.category_ids, category_ids[result.boxes.cls.int().numpy()[order][area]])
        if model.entry.task == "ins":
            assert ours.masks == encode_masks(result.masks.data.bool().numpy()[order][area])


@pytest.mark.parametrize("size", [(427, 640), (480, 640), (640, 640), (428, 640), (640, 361), (2, 640)])
def test_masks_enlarged_in_their_boxes_are_the_packages_own(size: tuple[int, int]) -> None:
    from ultralytics.utils import ops

    from miqd_builder.zoo.adapters.ultralytics_detector import masks_in_boxes

    random = torch.Generator().manual_seed(0)
    rows, columns = (8 * -(-length // 32) for length in size)
    prototypes, coefficients = (torch.randn(shape, generator=random) for shape in [(32, rows, columns), (30, 32)])
    corners = torch.rand(30, 2, 2, generator=random).sort(dim=1).values * torch.tensor([size[1], size[0]])
    boxes = corners.flatten(1)
    theirs = ops.process_mask_native(prototypes, coefficients, boxes, size).bool().numpy()
    assert theirs.any() or size == (2, 640)
    np.testing.assert_array_equal(masks_in_boxes(coefficients, prototypes, boxes, size), theirs)
    assert masks_in_boxes(coefficients[:0], prototypes, boxes[:0], size).shape == (0, *size)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (entry("det", arch="yolo11z"), r"ultralytics has no architecture 'yolo11z'\. Did you mean 'yolo11"),
        (entry("ins", arch="yolo11n"), "architecture 'yolo11n' does detect, it can't do task ins.*end in '-seg'"),
        (entry("det", arch="yolo11n-cls"), "does classify, it can't do task det"),
        (entry("det", arch="yolo11n", arch_kwargs={"classes": 3}), "arch_kwargs of ultralytics may hold nc only, got classes"),
    ],
)
def test_entries_that_cannot_be_built(broken: ModelEntry, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(broken, random_weights=True)


@pytest.mark.parametrize(
    ("arch", "task"), [("yolov9s", "det"), ("yolov9e-seg", "ins"), ("yolo11l", "det"), ("yolo11x-seg", "ins")]
)
def test_the_papers_architectures_are_known(arch: str, task: str) -> None:
    from miqd_builder.zoo.adapters.ultralytics_detector import _architecture

    description = _architecture(entry(task, arch=arch))
    assert description["head"][-1][2] == {"det": "Detect", "ins": "Segment"}[task]
