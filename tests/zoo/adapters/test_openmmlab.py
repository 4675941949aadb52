"""The OpenMMLab adapters against the packages' own inference, and configs without anything to fetch."""

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from miqd_builder.errors import ConfigError
from miqd_builder.responses import Detections, decode_masks
from miqd_builder.zoo.adapters.categories import category_ids_of
from miqd_builder.zoo.adapters.mm_config import find_config, forget_pretrained, read_config
from miqd_builder.zoo.adapters.mmdet_detector import boxes_of_masks
from miqd_builder.zoo.build import build
from miqd_builder.zoo.content_hash import entry_hash
from miqd_builder.zoo.entry import ModelEntry
from tests.zoo.small_models import MASK_RCNN, RTMDET, SMALL_MODELS


@pytest.mark.parametrize("name", ["mmdet-rtmdet", "mmdet-mask-rcnn"])
def test_detections_are_those_of_mmdets_own_inference(name: str, images: list[np.ndarray]) -> None:
    model = build(SMALL_MODELS[name], random_weights=True)
    from mmdet.apis import inference_detector
    from mmengine.registry import DefaultScope

    config = read_config(model.entry)
    config.test_dataloader.dataset.pipeline = [
        step for step in config.test_dataloader.dataset.pipeline if step.type != "LoadAnnotations"
    ]
    model.model.cfg = config
    category_ids = category_ids_of("", model.num_classes, None)
    for image in images[:3]:
        with DefaultScope.overwrite_default_scope("mmdet"):
            theirs = inference_detector(model.model, np.ascontiguousarray(image[:, :, ::-1])).pred_instances.cpu()
        expected = Detections.from_raw(
            height=image.shape[0],
            width=image.shape[1],
            boxes=theirs.bboxes.numpy(),
            scores=theirs.scores.numpy(),
            category_ids=category_ids[theirs.labels.numpy()],
            masks=theirs.masks.numpy() if "masks" in theirs else None,
        )
        (ours,) = model.predict([image])
        np.testing.assert_array_equal(ours.boxes, expected.boxes)
        np.testing.assert_array_equal(ours.scores, expected.scores)
        np.testing.assert_array_equal(ours.category_ids, expected.category_ids)
        assert ours.masks == expected.masks


def test_boxes_alone_are_those_of_the_segmenter(images: list[np.ndarray]) -> None:
    """The det entry of a two-stage segmenter skips the masks and changes nothing else."""
    boxes = build(SMALL_MODELS["mmdet-mask-rcnn-boxes"], random_weights=True)
    masks = build(SMALL_MODELS["mmdet-mask-rcnn"], random_weights=True)
    for det, ins in zip(boxes.predict(images[:2]), masks.predict(images[:2]), strict=True):
        assert det.masks is None and len(ins.scores)
        # The segmenter drops an instance with an empty mask, so each of its boxes is among the detector's.
        distances = np.abs(ins.boxes[:, None] - det.boxes[None]).max(axis=2) + np.abs(ins.scores[:, None] - det.scores[None])
        assert distances.min(axis=1).max() < 1e-4


def test_probabilities_are_those_of_mmpretrains_own_inference(images: list[np.ndarray]) -> None:
    model = build(SMALL_MODELS["mmpretrain"], random_weights=True)
    from mmpretrain import ImageClassificationInferencer

    model.model._config = read_config(model.entry)
    inferencer = ImageClassificationInferencer(model.model, classes=[str(i) for i in range(7)])
    bgr = [np.ascontiguousarray(image[:, :, ::-1]) for image in images]
    theirs = inferencer(bgr, batch_size=1)
    for ours, result in zip(model.predict(images), theirs, strict=True):
        np.testing.assert_allclose(ours.probabilities, result["pred_scores"], atol=1e-6)


def test_solo_gets_the_boxes_of_its_masks(images: list[np.ndarray]) -> None:
    (response,) = build(SMALL_MODELS["mmdet-solo"], random_weights=True).predict(images[:1])
    masks = decode_masks(response.masks, response.height, response.width)
    np.testing.assert_array_equal(response.boxes, boxes_of_masks(torch.from_numpy(masks)).numpy())


def test_boxes_of_masks_are_tight() -> None:
    masks = torch.zeros(3, 6, 8, dtype=torch.bool)
    masks[0, 2:4, 3:7] = True
    masks[1, 5, 0] = True
    assert boxes_of_masks(masks).tolist() == [[3, 2, 7, 4], [0, 5, 1, 6], [0, 0, 0, 0]]


def test_two_packages_live_in_one_process_in_either_order(images: list[np.ndarray]) -> None:
    """Both have a ResNet and a LoadImageFromFile of their own; each must get its own."""
    names = ["mmdet-mask-rcnn", "mmpretrain", "mmdet-rtmdet", "mmpretrain"]
    models = [build(SMALL_MODELS[name], random_weights=True) for name in names]
    assert [type(m.model).__module__.split(".")[0] for m in models] == ["mmdet", "mmpretrain", "mmdet", "mmpretrain"]
    first, second = models[1].predict(images[:2]), models[3].predict(images[:2])
    np.testing.assert_array_equal([r.probabilities for r in first], [r.probabilities for r in second])


def test_building_leaves_the_default_scope_alone() -> None:
    from mmengine.registry import DefaultScope

    before = DefaultScope.get_current_instance()
    build(SMALL_MODELS["mmdet-rtmdet"], random_weights=True)
    assert DefaultScope.get_current_instance() is before


def test_a_config_of_the_users_inherits_from_a_shipped_one(tmp_path: Path, images: list[np.ndarray]) -> None:
    options = {**RTMDET, "model.bbox_head.num_classes": 5}
    (tmp_path / "mine.py").write_text("_base_ = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'\n")
    mine = ModelEntry(name="m", task="det", backend="mmdet", config="mine.py", cfg_options=options).relative_to(tmp_path)
    assert find_config(mine) == tmp_path / "mine.py"
    ours = build(mine, random_weights=True).predict(images[:1])[0]
    shipped = build(SMALL_MODELS["mmdet-rtmdet"], random_weights=True).predict(images[:1])[0]
    np.testing.assert_array_equal(ours.boxes, shipped.boxes)


@pytest.mark.parametrize("suffix", [".py", ".json", ".yaml"])
def test_a_config_of_the_users_may_have_any_of_mmengines_forms(tmp_path: Path, suffix: str) -> None:
    shipped = read_config(SMALL_MODELS["mmdet-rtmdet"])
    shipped.dump(tmp_path / f"mine{suffix}")
    mine = ModelEntry(name="m", task="det", backend="mmdet", config=f"mine{suffix}").relative_to(tmp_path)
    assert build(mine, random_weights=True).num_classes == 5


def test_a_broken_config_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("model = dict(\n")
    mine = ModelEntry(name="m", task="det", backend="mmdet", config="mine.py").relative_to(tmp_path)
    with pytest.raises(ConfigError, match=r"mine\.py can't be read: SyntaxError"):
        build(mine, random_weights=True)


def test_a_config_that_was_removed_is_named(tmp_path: Path) -> None:
    gone = ModelEntry(name="m", task="det", backend="mmdet", config=str(tmp_path / "gone.py"))
    with pytest.raises(ConfigError, match=r"Config of model 'm' not found: .*gone\.py"):
        entry_hash(gone)


def test_everything_pretrained_is_forgotten() -> None:
    config = {
        "backbone": {"init_cfg": {"type": "Pretrained", "checkpoint": "https://host/a.pth"}, "pretrained": True},
        "heads": [{"pretrained": "torchvision://resnet50", "init_cfg": {"type": "Normal", "std": 0.1}}],
    }
    forget_pretrained(config)
    assert config == {
        "backbone": {"init_cfg": None, "pretrained": False},
        "heads": [{"pretrained": None, "init_cfg": {"type": "Normal", "std": 0.1}}],
    }


def test_building_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A config whose backbone starts from ImageNet weights of the net is built without them."""

    def refuse(*args, **kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert read_config(SMALL_MODELS["mmdet-mask-rcnn"]).model.backbone.init_cfg.checkpoint == "torchvision://resnet50"
    for name in ("mmdet-mask-rcnn", "mmpretrain", "timm", "torchvision"):
        build(SMALL_MODELS[name], random_weights=True)


def test_importing_the_zoo_imports_no_framework() -> None:
    program = (
        "import sys, miqd_builder.zoo.build, miqd_builder.zoo.catalog, miqd_builder.zoo.entry\n"
        "print(sorted({'torch', 'mmdet', 'mmpretrain', 'timm', 'torchvision', 'ultralytics', 'mmengine'} & set(sys.modules)))"
    )
    root = Path(__file__).resolve().parents[3]
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert result.stdout.strip() == "[]"


def test_mask_rcnn_options_reach_the_config() -> None:
    config = read_config(SMALL_MODELS["mmdet-mask-rcnn"])
    assert config.model.backbone.depth == MASK_RCNN["model.backbone.depth"]
    assert tuple(config.test_dataloader.dataset.pipeline[1].scale) == (96, 96)
