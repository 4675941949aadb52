"""The committed demo checkpoints: small, complete, as the zoo file says, and good enough to be degraded."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from miqd_builder.errors import ConfigError
from miqd_builder.responses import Detections
from miqd_builder.zoo import build as adapters
from miqd_builder.zoo.catalog import load_zoo
from pipelines.demo import train_classifiers, train_detectors
from pipelines.demo.entries import (
    ZOO,
    build,
    checkpoint_path,
    load_common_weights,
    load_entries,
    load_weights,
    normalisation,
    save_weights,
    select_entry,
)
from pipelines.demo.evaluation import average_precision
from pipelines.demo.scenes import render
from pipelines.demo.schedules import SCHEDULES, Schedule
from pipelines.demo.shapes import CLASS_NAMES
from pipelines.demo.train import measure

ENTRIES = load_entries()
LEAST = {"top1": 90.0, "box_AP": 50.0, "mask_AP": 40.0}


@pytest.fixture(scope="module")
def scenes():
    return tuple(render("val", index) for index in range(8))


def test_the_zoo_has_enough_models_of_each_task():
    tasks = [entry["task"] for entry in ENTRIES.values()]
    assert tasks.count("cls") >= 3 and tasks.count("det") >= 2 and tasks.count("ins") >= 2
    assert set(SCHEDULES) == set(ENTRIES)


@pytest.mark.parametrize("name", ENTRIES)
def test_checkpoint_is_small_half_precision_and_the_recorded_one(name):
    path = checkpoint_path(ENTRIES[name])
    assert path.stat().st_size < 2_500_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() == ENTRIES[name]["checkpoint"]["sha256"]
    if path.suffix == ".pth":
        state = torch.load(path, weights_only=True)["state_dict"]
        assert {value.dtype for value in state.values()} <= {torch.float16, torch.int64}
    config = ENTRIES[name].get("config")
    assert config is None or (ZOO.parent / config).is_file()


@pytest.mark.parametrize("name", ENTRIES)
def test_clean_metric_is_the_recorded_one_and_high_enough(name, scenes):
    metric = ENTRIES[name]["metric"]
    value = measure(ENTRIES[name], scenes)
    assert value >= LEAST[metric["name"]]
    assert value == pytest.approx(metric["value"], abs=2.0)


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry["backend"] == "mmdet"])
def test_configs_name_the_classes_in_the_order_of_the_category_ids(name):
    from mmengine.config import Config

    config = Config.fromfile(ZOO.parent / ENTRIES[name]["config"])
    assert tuple(config.test_dataloader.dataset.metainfo.classes) == CLASS_NAMES


def test_models_are_trained_after_those_they_start_from():
    order = list(SCHEDULES)
    starts = {name: schedule.start_from for name, schedule in SCHEDULES.items() if schedule.start_from}
    assert starts and all(order.index(first) < order.index(name) for name, first in starts.items())


def test_a_detector_takes_the_weights_it_shares_with_a_segmenter():
    torch.manual_seed(3)
    model = build(select_entry("demo_rtmdet"))
    path = checkpoint_path(select_entry("demo_rtmdet-ins"))
    taken = load_common_weights(model, path)
    donor = torch.load(path, weights_only=True)["state_dict"]
    assert taken == len(model.state_dict())
    for key in ("backbone.stem.0.conv.weight", "bbox_head.rtm_cls.2.weight"):
        assert torch.equal(model.state_dict()[key].half(), donor[key])


def test_unknown_model_names_its_neighbours():
    with pytest.raises(ConfigError, match="Did you mean 'demo_yolox'"):
        select_entry("demo_yolo")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_survive_the_round_trip_in_half_precision(tmp_path, suffix):
    torch.manual_seed(1)
    entry = select_entry("demo_resnet10t")
    first, second = build(entry), build(entry)
    save_weights(first, tmp_path / f"weights{suffix}")
    load_weights(second, tmp_path / f"weights{suffix}")
    written, read = first.state_dict(), second.state_dict()
    assert written.keys() == read.keys()
    for key, value in written.items():
        rounded = value.half().float() if value.is_floating_point() else value
        assert torch.equal(rounded, read[key])


def test_average_precision_is_one_for_the_truth_and_less_for_shifted_boxes(scenes):
    def predictions(shift: float) -> list[Detections]:
        found = []
        for scene in scenes:
            boxes = np.array([(x + shift, y, x + w + shift, y + h) for x, y, w, h in (i.box for i in scene.instances)])
            ids = np.array([i.label + 1 for i in scene.instances])
            masks = np.stack([np.roll(i.mask, int(shift), axis=1) for i in scene.instances])
            scores = np.full(len(ids), 0.9)
            found.append(Detections.from_raw(height=240, width=320, boxes=boxes, scores=scores, category_ids=ids, masks=masks))
        return found

    assert average_precision(predictions(0), scenes, with_masks=True) == pytest.approx(1)
    assert 0.1 < average_precision(predictions(6), scenes, with_masks=True) < 0.9
    assert average_precision([predictions(0)[0].above(0.95)] * 8, scenes, with_masks=True) == 0


def test_a_classifier_learns_eight_scenes(scenes):
    quick = Schedule(scenes=8, epochs=30, batch=8, learning_rate=3e-3)
    entry = select_entry("demo_resnet10t")
    torch.manual_seed(0)
    model = build(entry)
    train_classifiers.train_classifier(model, scenes, quick, *normalisation(entry))
    assert train_classifiers.top1_accuracy(model, scenes, *normalisation(entry)) >= 75


def test_a_detector_learns_from_eight_scenes(scenes, capsys):
    """The loss of an untrained detector falls, and training leaves it ready to predict."""
    torch.manual_seed(0)
    model = build(select_entry("demo_yolox"))
    train_detectors.train_detector(model, scenes, Schedule(scenes=8, epochs=10, batch=4, learning_rate=2e-3), with_masks=False)
    losses = [float(line.split("loss")[1].split()[0]) for line in capsys.readouterr().out.splitlines() if "loss" in line]
    assert losses[-1] < 0.9 * losses[0]
    assert not model.training
    assert all(isinstance(found, Detections) for found in train_detectors.predict(model, scenes[:1]))


def test_boxes_around_masks():
    masks = np.zeros((2, 10, 12), bool)
    masks[0, 2:5, 3:9] = True
    assert train_detectors.boxes_around(masks).tolist() == [[3, 2, 9, 5], [0, 0, 0, 0]]


@pytest.mark.parametrize(("scale", "mirrored"), [(1.0, False), (1.0, True), (0.5, False), (0.5, True)])
def test_truth_for_training_fits_its_masks(scenes, scale, mirrored):
    for scene in scenes:
        changed = train_detectors.transformed(scene, scale=scale, mirrored=mirrored)
        truth = train_detectors.training_sample(changed, with_masks=True).gt_instances
        assert changed.image.shape == (240 * scale, 320 * scale, 3)
        assert np.array_equal(train_detectors.boxes_around(truth.masks.masks.astype(bool)), truth.bboxes.numpy())
        left = np.array([instance.box[0] for instance in scene.instances])
        if mirrored:
            left = 320 - left - np.array([instance.box[2] for instance in scene.instances])
        assert np.allclose(truth.bboxes[:, 0].numpy(), left * scale, atol=1)


@pytest.mark.parametrize("name", [entry.name for entry in load_zoo([ZOO]) if entry.task != "cls"])
def test_an_image_without_objects_has_no_confident_detection(name):
    adapter = adapters.build(load_zoo([ZOO])[name], category_ids=range(1, 9))
    (prediction,) = adapter.predict([np.full((240, 320, 3), 128, np.uint8)])
    assert isinstance(prediction, Detections)
    assert len(prediction.above(0.3).scores) == 0
