"""The mmseg adapter against mmseg's own inference, its classes, its checkpoints, and the entries that ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from miqd_builder.errors import ConfigError
from miqd_builder.responses import Segmentation
from miqd_builder.zoo.adapters.mm_config import find_config, read_config
from miqd_builder.zoo.build import build
from miqd_builder.zoo.catalog import load_zoo
from miqd_builder.zoo.entry import ModelEntry
from tests.conftest import ROOT
from tests.zoo.small_models import SMALL_MODELS

SEGFORMER = SMALL_MODELS["mmseg-segformer"]


@pytest.mark.parametrize("name", ["mmseg-segformer", "mmseg-unet"])
def test_maps_are_those_of_mmsegs_own_inference(name: str, images: list[np.ndarray]) -> None:
    model = build(SMALL_MODELS[name], random_weights=True)
    from mmengine.registry import DefaultScope
    from mmseg.apis import inference_model

    config = read_config(model.entry)
    config.test_pipeline = config.test_dataloader.dataset.pipeline
    model.model.cfg = config
    for image in images:
        with DefaultScope.overwrite_default_scope("mmseg"):
            theirs = inference_model(model.model, np.ascontiguousarray(image[:, :, ::-1])).pred_sem_seg.data[0]
        (ours,) = model.predict([image])
        np.testing.assert_array_equal(ours.to_map(), theirs.cpu().numpy())


def test_classes_are_pixel_values_of_the_label_pngs_by_position(images: list[np.ndarray]) -> None:
    by_index = build(SEGFORMER, random_weights=True).predict(images)
    by_value = build(SEGFORMER, random_weights=True, category_ids=[7, 8, 11, 12, 200]).predict(images)
    values = np.array([7, 8, 11, 12, 200])
    for one, two in zip(by_index, by_value, strict=True):
        np.testing.assert_array_equal(values[one.to_map()], two.to_map())


def test_label_pngs_of_other_classes_are_refused() -> None:
    with pytest.raises(ConfigError, match="has 5 classes but the annotations have 19 categories"):
        build(SEGFORMER, random_weights=True, category_ids=range(19))


def test_a_scale_from_a_yaml_file_is_a_list(images: list[np.ndarray]) -> None:
    listed = SEGFORMER.model_copy(
        update={"cfg_options": SEGFORMER.cfg_options | {"test_dataloader.dataset.pipeline.1.scale": [96, 96]}}
    )
    (ours,) = build(listed, random_weights=True).predict(images[:1])
    assert ours.masks == build(SEGFORMER, random_weights=True).predict(images[:1])[0].masks


def with_checkpoint(entry: ModelEntry, file: Path, **options: object) -> ModelEntry:
    checkpoint = {"path": file}
    fields = entry.model_dump() | {"checkpoint": checkpoint, "cfg_options": entry.cfg_options | options}
    return ModelEntry(**fields)


def test_a_checkpoint_is_loaded(tmp_path: Path, images: list[np.ndarray]) -> None:
    trained = build(SEGFORMER, random_weights=True)
    with torch.no_grad():
        for parameter in trained.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    state = {"meta": {"epoch": 1}, "state_dict": trained.model.state_dict()}
    torch.save(state, tmp_path / "w.pth")
    loaded = build(with_checkpoint(SEGFORMER, tmp_path / "w.pth")).predict(images)
    assert [prediction.masks for prediction in loaded] == [prediction.masks for prediction in trained.predict(images)]
    untrained = build(SEGFORMER, random_weights=True).predict(images)
    assert [prediction.masks for prediction in loaded] != [prediction.masks for prediction in untrained]
    with pytest.raises(ConfigError, match="is of another architecture or number of classes"):
        build(with_checkpoint(SEGFORMER, tmp_path / "w.pth", **{"model.decode_head.num_classes": 4}))


def test_a_model_that_starts_from_other_weights_fetches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a connection was opened")

    assert read_config(SEGFORMER).model.backbone.init_cfg.checkpoint.startswith("https://")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert isinstance(build(SEGFORMER, random_weights=True).predict([np.zeros((8, 8, 3), np.uint8)])[0], Segmentation)


def shipped_models() -> list[ModelEntry]:
    return [entry for entry in load_zoo([ROOT / "model_zoo_configs/seg.yaml"]) if entry.task == "seg"]


@pytest.mark.parametrize("entry", shipped_models(), ids=lambda entry: entry.name)
def test_an_entry_says_what_the_package_says(entry: ModelEntry) -> None:
    metafile = find_config(entry).parent / "metafile.yaml"
    records = {record["Name"]: record for record in yaml.safe_load(metafile.read_text())["Models"]}
    record = records[entry.name]
    assert entry.config is not None and record["Config"] == f"configs/{entry.config}"
    assert entry.checkpoint is not None and entry.checkpoint.url == record["Weights"]
    assert str(entry.checkpoint.url).endswith(f"-{entry.checkpoint.sha256}.pth")
    assert entry.metric is not None and entry.metric.value == record["Results"]["Metrics"]["mIoU"]
    assert entry.metric.source == f"onedl-mmsegmentation, configs/{metafile.parent.name}/metafile.yaml"


def test_the_smallest_shipped_entry_builds_and_predicts() -> None:
    entry = min(shipped_models(), key=lambda entry: entry.params or 0)
    model = build(entry, random_weights=True, category_ids=range(1, 151))
    count = sum(parameter.numel() for parameter in model.model.parameters())
    assert round(count / 1e6, 2) == entry.params
    (prediction,) = model.predict([np.zeros((40, 64, 3), np.uint8)])
    assert (prediction.height, prediction.width) == (40, 64) and set(prediction.category_ids.tolist()) <= set(range(1, 151))
