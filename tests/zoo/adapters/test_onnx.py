"""Back end onnx: logits become probabilities, boxes and masks come back to the image's pixels, wrong files are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError
from miqd_builder.responses import Detections
from miqd_builder.responses.masks import decode_masks
from miqd_builder.zoo.build import build
from miqd_builder.zoo.check.contract import contract_problem, verify_model
from miqd_builder.zoo.content_hash import entry_hash
from miqd_builder.zoo.entry import ModelEntry
from tests.tiny_onnx import redness
from tests.zoo.adapters.onnx_files import Colours, Rectangle, write
from tests.zoo.small_models import SMALL_MODELS

TOP, LEFT, BOTTOM, RIGHT = 30, 40, 90, 100
INPUT = {"resize_short": 32, "crop": 32, "mean": (0, 0, 0), "std": (1, 1, 1)}
APART = {"boxes": "boxes", "scores": "scores", "labels": "labels", "classes": 3, "size": (96, 128)}


def scene() -> NDArray[np.uint8]:
    """A bright rectangle in a dark picture of 120x160 pixels."""
    image = np.full((120, 160, 3), 40, np.uint8)
    image[TOP:BOTTOM, LEFT:RIGHT] = 220
    return image


def classifier(file: Path, **changes: Any) -> ModelEntry:
    fields = {"name": "colours", "task": "cls", "backend": "onnx", "onnx": {"logits": "logits"}, "preprocess": INPUT}
    return ModelEntry.model_validate(fields | {"checkpoint": {"path": file}} | changes)


def detector(file: Path, onnx: dict[str, Any], task: str = "det", **changes: Any) -> ModelEntry:
    fields = {"name": "rectangle", "task": task, "backend": "onnx", "onnx": onnx, "checkpoint": {"path": file}}
    return ModelEntry.model_validate(fields | changes)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    write(Colours(), folder / "colours.onnx", (2, 3, 32, 32), ["logits"], any_number=True)
    write(Colours(), folder / "one.onnx", (1, 3, 32, 32), ["logits"])
    write(Rectangle(), folder / "apart.onnx", (1, 3, 96, 128), ["boxes", "scores", "labels"])
    write(Rectangle(share=True, centre=True), folder / "share.onnx", (1, 3, 96, 96), ["boxes", "scores", "labels"])
    write(Rectangle("columns"), folder / "columns.onnx", (1, 3, 96, 96), ["found"])
    write(Rectangle("classes"), folder / "classes.onnx", (1, 3, 96, 128), ["boxes", "scores"])
    write(Rectangle("masks"), folder / "masks.onnx", (1, 3, 96, 96), ["boxes", "scores", "labels", "masks"])
    write(Rectangle("box masks"), folder / "box_masks.onnx", (1, 3, 96, 128), ["boxes", "scores", "labels", "masks"])
    return folder


@pytest.mark.parametrize("file", ["colours.onnx", "one.onnx"])
def test_probabilities_are_the_softmax_of_the_logits(files: Path, file: str) -> None:
    adapter = build(classifier(files / file))
    image = np.zeros((50, 70, 3), np.uint8)
    image[...] = (204, 102, 51)
    [found] = adapter.predict([image])
    weights = np.exp(10 * np.array([0.8, 0.4, 0.2]))
    np.testing.assert_allclose(found.probabilities, weights / weights.sum(), atol=1e-5)
    assert adapter.num_classes == 3 and contract_problem(adapter) is None
    [swapped] = build(classifier(files / file, onnx={"logits": "logits", "channels": "bgr"})).predict([image])
    np.testing.assert_allclose(swapped.probabilities[::-1], found.probabilities, atol=1e-6)


def test_a_timm_network_predicts_the_same(tmp_path: Path) -> None:
    theirs: Any = build(SMALL_MODELS["timm"], random_weights=True)
    side = theirs.preprocess.crop[0]
    file = write(theirs.model, tmp_path / "timm.onnx", (2, 3, side, side), ["out"], any_number=True)
    own = theirs.preprocess
    given = {"resize_short": own.resize, "crop": side, "interpolation": own.interpolation, "mean": own.mean, "std": own.std}
    ours = build(classifier(file, onnx={"logits": "out"}, preprocess=given))
    images = [np.random.default_rng(seed).integers(0, 256, (60, 90, 3), np.uint8) for seed in range(5)]
    for one, other in zip(ours.predict(images), theirs.predict(images), strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)


@pytest.mark.parametrize(
    ("file", "onnx"),
    [
        ("apart.onnx", APART),
        ("share.onnx", {**APART, "size": (96, 96), "box_format": "cxcywh", "box_unit": "share"}),
        ("share.onnx", {**APART, "size": (96, 96), "box_format": "cxcywh", "box_unit": "share", "fit": "pad", "fill": 0}),
        ("columns.onnx", {"boxes": "found", "classes": 3, "size": (96, 96), "fit": "pad"}),
        ("columns.onnx", {"boxes": "found", "classes": 3, "size": (96, 96), "fit": "pad_end"}),
        ("classes.onnx", {"boxes": "boxes", "scores": "scores", "classes": 3, "size": (96, 128)}),
    ],
    ids=["apart", "share", "share, pad", "columns, pad", "columns, pad_end", "classes"],
)
def test_boxes_come_back_to_the_image(files: Path, file: str, onnx: dict[str, Any]) -> None:
    adapter = build(detector(files / file, onnx))
    [found] = adapter.predict([scene()])
    assert isinstance(found, Detections)
    np.testing.assert_allclose(found.scores, [0.9, 0.4])
    assert found.category_ids.tolist() == [3, 1]
    for box in found.boxes:
        np.testing.assert_allclose(box, [LEFT, TOP, RIGHT, BOTTOM], atol=1.7)
    assert contract_problem(adapter) is None


def test_category_ids_and_other_settings(files: Path) -> None:
    entry = detector(files / "apart.onnx", {**APART, "min_score": 0.5})
    [found] = build(entry, category_ids=[7, 8, 20]).predict([scene()])
    assert found.category_ids.tolist() == [20]
    both = detector(
        files / "classes.onnx", {"boxes": "boxes", "scores": "scores", "classes": 1, "size": (96, 128), "first_label": 2}
    )
    [found] = build(both).predict([scene()])
    assert found.category_ids.tolist() == [1] and found.scores.tolist() == pytest.approx([0.9])
    suppressed = {**APART, "nms_iou": 0.5}
    [found] = build(detector(files / "apart.onnx", suppressed)).predict([scene()])
    assert len(found) == 2  # of two classes


def test_masks_of_the_input_and_of_boxes(files: Path) -> None:
    truth = np.zeros((120, 160), bool)
    truth[TOP:BOTTOM, LEFT:RIGHT] = True
    padded = detector(files / "masks.onnx", {**APART, "masks": "masks", "size": (96, 96), "fit": "pad"}, "ins")
    adapter = build(padded)
    [found] = adapter.predict([scene()])
    assert contract_problem(adapter) is None
    masks = decode_masks(found.masks, 120, 160)
    assert masks.shape == (2, 120, 160)
    assert all((mask & truth).sum() / (mask | truth).sum() > 0.95 for mask in masks)
    pasted = detector(files / "box_masks.onnx", {**APART, "masks": "masks", "mask_area": "box"}, "ins")
    [found] = build(pasted).predict([scene()])
    truth[(TOP + BOTTOM) // 2 :] = False
    assert all((mask & truth).sum() / (mask | truth).sum() > 0.95 for mask in decode_masks(found.masks, 120, 160))


def test_an_image_as_it_is(tmp_path: Path) -> None:
    file = write(Rectangle(), tmp_path / "as_is.onnx", (1, 3, 120, 160), ["boxes", "scores", "labels"])
    onnx = {key: value for key, value in APART.items() if key != "size"} | {"fit": "as_is"}
    [found] = build(detector(file, onnx)).predict([scene()])
    np.testing.assert_array_equal(found.boxes[0], [LEFT, TOP, RIGHT, BOTTOM])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"onnx": {"logits": "logit"}}, r"no output 'logit'. Did you mean 'logits'\? It has logits"),
        ({"preprocess": {"resize_short": 40}}, "preprocess needs crop, mean, std"),
        ({"preprocess": {**INPUT, "crop": 24}}, r"takes images of 32x32 \(height x width\), the entry makes them 24x24"),
        ({"checkpoint": None}, r"no checkpoint. Add checkpoint: \{path: FILE\}"),
        ({"checkpoint": {"path": "/nowhere/x.onnx"}}, "not found: /nowhere/x.onnx"),
    ],
)
def test_what_is_wrong_with_a_classifier_is_said(files: Path, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(classifier(files / "colours.onnx", **entry))


@pytest.mark.parametrize(
    ("onnx", "message"),
    [
        ({"boxes": "boxes", "classes": 3, "size": (96, 128)}, "has no scores: name onnx.scores"),
        ({"boxes": "boxes", "scores": "scores", "classes": 3, "size": (96, 128)}, "name onnx.labels"),
        ({**APART, "classes": 2}, "label 2 is none of 2 classes from onnx.first_label = 0 on"),
        ({**APART, "boxes": "scores"}, r"output 'scores' is .*: expected \(n, 4\)"),
        ({**APART, "size": (96, 96)}, "the entry makes them 96x96"),
        ({**APART, "masks": "labels"}, "expected a mask"),
    ],
)
def test_what_is_wrong_with_a_detector_is_said(files: Path, onnx: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(detector(files / "apart.onnx", onnx, "ins" if "masks" in onnx else "det")).predict([scene()])


def test_files_are_looked_into_first(tmp_path: Path) -> None:
    for name, content, message in (
        ("text.onnx", b"no network at all", "damaged or no ONNX file"),
        ("outside.onnx", redness(32, external=True), "keeps weights in other files"),
        ("two.onnx", redness(32, inputs=2), "expected one input"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=message):
            build(classifier(tmp_path / name, onnx={"logits": "map"}))
    (tmp_path / "map.onnx").write_bytes(redness(32))
    with pytest.raises(ConfigError, match=r"output 'map' is float32 \(1, 1, 32, 32\) for 1 images; expected finite logits"):
        build(classifier(tmp_path / "map.onnx", onnx={"logits": "map"}))


@pytest.mark.parametrize(
    ("task", "onnx", "message"),
    [
        ("cls", {"boxes": "b"}, "task cls needs onnx.logits"),
        ("cls", {"logits": "l", "size": (1, 1)}, "task cls doesn't use onnx.size"),
        ("det", {"boxes": "b", "size": (1, 1)}, "task det needs onnx.classes"),
        ("det", {"boxes": "b", "classes": 2}, "give onnx.size"),
        ("det", {"boxes": "b", "classes": 2, "size": (1, 1), "masks": "m"}, "task det doesn't use onnx.masks"),
        ("ins", {"boxes": "b", "classes": 2, "size": (1, 1)}, "task ins needs onnx.masks"),
        ("det", {"boxes": "b", "classes": 2, "size": (1, 1), "labels": "l"}, "onnx.labels needs onnx.scores"),
        ("seg", {"logits": "l"}, "backend onnx does cls and det and ins, not seg"),
        ("cls", None, "backend onnx needs the field 'onnx'"),
    ],
)
def test_fields_are_checked_when_a_zoo_file_is_read(task: str, onnx: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelEntry.model_validate({"name": "x", "task": task, "backend": "onnx", "onnx": onnx})


def test_other_back_ends_and_the_content_hash(files: Path) -> None:
    with pytest.raises(ValueError, match="backend timm does not use the field 'onnx'"):
        ModelEntry.model_validate({"name": "x", "task": "cls", "backend": "timm", "arch": "a", "onnx": {"logits": "l"}})
    one = detector(files / "apart.onnx", APART)
    assert entry_hash(one) == entry_hash(one.model_copy(update={"name": "y"}))
    assert entry_hash(one) != entry_hash(detector(files / "apart.onnx", {**APART, "fit": "pad"}))


def test_verification_needs_the_file(files: Path, tmp_path: Path) -> None:
    assert verify_model(detector(files / "apart.onnx", APART)).problem is None
    missing = verify_model(detector(tmp_path / "no.onnx", APART))
    assert missing.problem is not None and "has no random weights; its checkpoint is needed" in missing.problem
