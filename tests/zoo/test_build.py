"""Building a model from its entry: what can be wrong with it, in one line each."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from miqd_builder.errors import ConfigError
from miqd_builder.responses import Detections
from miqd_builder.zoo.adapters.categories import COCO_CATEGORY_IDS, category_ids_of
from miqd_builder.zoo.build import build
from miqd_builder.zoo.entry import ModelEntry
from tests.zoo.small_models import SMALL_MODELS


def entry(backend: str, task: str, **fields) -> ModelEntry:
    return ModelEntry(name="m", task=task, backend=backend, **fields)


def one_line(error: pytest.ExceptionInfo[ConfigError]) -> bool:
    return "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (entry("timm", "cls", arch="resnet81"), r"timm has no architecture 'resnet81'\. Did you mean 'resnet18'"),
        (entry("timm", "cls", arch="resnet50.a1_in2k"), r"no weights 'resnet50\.a1_in2k'\. Did you mean 'resnet50\.a1_in1k'"),
        (entry("timm", "cls", arch="resnet18", arch_kwargs={"depht": 1}), r"timm can't build 'resnet18' with \{'depht': 1\}"),
        (entry("torchvision", "cls", arch="mobilnet_v2"), r"no classifier 'mobilnet_v2'\. Did you mean 'mobilenet_v2'"),
        (entry("torchvision", "cls", arch="maskrcnn_resnet50_fpn"), "no classifier 'maskrcnn_resnet50_fpn'"),
        (entry("torchvision", "cls", arch="vgg11", arch_kwargs={"depht": 1}), "torchvision can't build 'vgg11'"),
        (
            entry("mmdet", "det", config="yolox/yolox_nana_8xb8-300e_coco.py"),
            r"'yolox/yolox_nana_8xb8-300e_coco\.py' is neither .* Did you mean 'yolox/yolox_nano_8xb8-300e_coco\.py'",
        ),
        (entry("mmpretrain", "cls", config="resnet/resnet81_8xb32_in1k.py"), r"Did you mean 'resnet/resnet18_8xb32_in1k\.py'"),
        (entry("mmdet", "ins", config="yolox/yolox_nano_8xb8-300e_coco.py"), "predicts boxes only, it can't do task ins"),
        (entry("mmdet", "det", config="_base_/default_runtime.py"), "has no 'model'"),
        (entry("mmpretrain", "cls", config="mae/mae_vit-base-p16_8xb512-amp-coslr-300e_in1k.py"), "is no classifier's"),
        (
            entry("mmdet", "det", config="yolox/yolox_nano_8xb8-300e_coco.py", cfg_options={"model.bbox_head.depht": 1}),
            "mmdet can't build config .*TypeError: .*'depht'",
        ),
        (
            entry("mmdet", "det", config="yolox/yolox_nano_8xb8-300e_coco.py", cfg_options={"test_pipeline.99.size": 1}),
            r"cfg_options don't fit config yolox_nano_8xb8-300e_coco\.py",
        ),
        (
            entry("mmpretrain", "cls", config="resnet/resnet18_8xb32_in1k.py", preprocess={"crop": 224}),
            "preprocess of an mmpretrain model replaces its pipeline and needs resize_short, mean, std too",
        ),
        (
            entry("mmseg", "seg", config="fcn/fcn_r51-d8_4xb4-160k_ade20k-512x512.py"),
            r"nor one that mmseg ships\. Did you mean 'fcn/fcn_r50-d8_4xb4-160k_ade20k-512x512\.py'",
        ),
        (entry("mmseg", "seg", config="vpd/vpd_sd_4xb8-25k_nyu-480x480.py"), "mmseg can't build|is no semantic segmenter's"),
        (entry("python", "cls", target="absent_package:build"), "target module 'absent_package' can't be imported"),
        (
            entry("python", "cls", target="tests.toy_models:blob"),
            r"'tests.toy_models' has no function 'blob'\. Did you mean 'blobs'",
        ),
    ],
)
def test_entries_that_cannot_be_built(broken: ModelEntry, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build(broken, random_weights=True)
    assert one_line(caught)


@pytest.mark.parametrize("arch", ["resnet18", "convnext_atto", "mvitv2_tiny"])
def test_weights_of_another_architecture_are_refused_before_and_after_translation(arch: str, tmp_path: Path) -> None:
    """timm translates some families' keys, and fails in its own ways on others'."""
    foreign = timm.create_model("vit_tiny_patch16_224", depth=2, num_classes=3)
    torch.save(foreign.state_dict(), tmp_path / "vit.pth")
    broken = entry("timm", "cls", arch=arch, checkpoint={"path": tmp_path / "vit.pth"})
    with pytest.raises(ConfigError, match=r"vit\.pth (does not fit model 'm'|is of another architecture)") as caught:
        build(broken)
    assert one_line(caught)


@pytest.mark.parametrize("name", ["timm", "mmdet-rtmdet"])
def test_a_model_without_checkpoint_is_not_built_with_random_weights_by_accident(name: str) -> None:
    with pytest.raises(ConfigError, match="has no checkpoint"):
        build(SMALL_MODELS[name])


@pytest.mark.parametrize(
    ("device", "message"),
    [("tpu", "Unknown device 'tpu'"), ("cuda:x", "Unknown device"), ("cuda:63", "'cuda:63' is not available")],
)
def test_devices_that_are_not_there(device: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(SMALL_MODELS["timm"], device=device, random_weights=True)


def test_a_batch_has_at_least_one_image() -> None:
    with pytest.raises(ConfigError, match="batch_size must be 1 or more, got 0"):
        build(SMALL_MODELS["timm"], batch_size=0, random_weights=True)


@pytest.mark.parametrize("module", ["ultralytics", "mmdet"])
def test_a_missing_package_comes_with_its_install_command(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as find_spec sees a package that isn't there
    broken = next(e for e in SMALL_MODELS.values() if e.backend == module)
    with pytest.raises(ConfigError, match=rf"needs {module}, which is not installed\. Run: pip install"):
        build(broken, random_weights=True)


def test_a_trained_model_comes_back_from_its_checkpoint(tmp_path: Path, images: list[np.ndarray]) -> None:
    """Through the whole way: config, checkpoint with half precision and sha256, and the predictions of the trained weights."""
    small = SMALL_MODELS["mmdet-rtmdet"]
    trained = build(small, random_weights=True)
    for parameter in trained.model.parameters():
        parameter.data = (parameter.data * 0.9).half().float()
    state = {key: value.half() if value.is_floating_point() else value for key, value in trained.model.state_dict().items()}
    torch.save({"state_dict": state, "meta": {"epoch": 1}}, tmp_path / "w.pth")
    loaded = build(ModelEntry.model_validate(small.model_dump() | {"checkpoint": {"path": tmp_path / "w.pth"}}))
    for one, other in zip(loaded.predict(images[:2]), trained.predict(images[:2]), strict=True):
        assert isinstance(one, Detections) and isinstance(other, Detections)
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_classes_are_mapped_by_position() -> None:
    assert len(COCO_CATEGORY_IDS) == 80
    assert (COCO_CATEGORY_IDS[0], COCO_CATEGORY_IDS[9], COCO_CATEGORY_IDS[11], COCO_CATEGORY_IDS[79]) == (1, 10, 13, 90)
    assert category_ids_of("m", 80, None).tolist() == list(COCO_CATEGORY_IDS)
    assert category_ids_of("m", 3, None).tolist() == [1, 2, 3]
    assert category_ids_of("m", 3, [9, 4, 7]).tolist() == [4, 7, 9]


def test_coco_ids_are_those_of_the_annotations(real: Path) -> None:
    annotations = json.loads(next((real / "coco").glob("instances_*.json")).read_text())
    assert [category["id"] for category in annotations["categories"]] == list(COCO_CATEGORY_IDS)


@pytest.mark.parametrize("name", ["mmdet-rtmdet", "mmdet-mask-rcnn", "mmdet-solo", "ultralytics"])
def test_annotations_with_other_classes_are_refused_with_both_numbers(name: str) -> None:
    pytest.importorskip(SMALL_MODELS[name].backend)
    classes = {"mmdet-rtmdet": 5, "mmdet-mask-rcnn": 80, "mmdet-solo": 3, "ultralytics": 5}[name]
    with pytest.raises(ConfigError, match=f"has {classes} classes but the annotations have 8 categories"):
        build(SMALL_MODELS[name], category_ids=range(1, 9), random_weights=True)


def test_given_category_ids_reach_the_detections(images: list[np.ndarray]) -> None:
    model = build(SMALL_MODELS["mmdet-rtmdet"], category_ids=[11, 22, 33, 44, 55], random_weights=True)
    found = {int(c) for response in model.predict(images[:4]) for c in response.category_ids}
    assert found and found <= {11, 22, 33, 44, 55}
