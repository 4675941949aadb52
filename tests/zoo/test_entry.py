"""Entries of the zoo: what is accepted, what is refused, and what the content hash depends on."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from miqd_builder.zoo.content_hash import entry_hash
from miqd_builder.zoo.entry import ModelEntry

TIMM = {"name": "m", "task": "cls", "backend": "timm", "arch": "resnet18"}
MMDET = {"name": "m", "task": "det", "backend": "mmdet", "config": "yolox/yolox_nano_8xb8-300e_coco.py"}
SHA = "ab" * 32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "depth"}, "'cls', 'det', 'ins' or 'seg'"),
        ({"backend": "keras"}, "Unknown back end 'keras': expected one of mmpretrain, mmdet, .*python"),
        ({"backend": "tim"}, "Did you mean 'timm'"),
        ({"task": "det"}, "backend timm does cls, not det"),
        ({"arch": None}, "backend timm needs the field 'arch'"),
        ({"config": "a.py"}, "backend timm does not use the field 'config'"),
        ({"cfg_options": {"a": 1}}, "backend timm does not use the field 'cfg_options'"),
        ({"name": "a/b"}, "should match pattern"),
        ({"name": ""}, "should match pattern"),
        ({"checkpoint": {}}, "give one of path, package, url and hub"),
        ({"checkpoint": {"path": "a", "url": "b", "sha256": SHA}}, "give one of path, package, url and hub"),
        ({"checkpoint": {"hub": "a/b", "url": "b", "sha256": SHA}}, "give one of path, package, url and hub"),
        ({"checkpoint": {"path": "a", "file": "b"}}, "file and revision belong to hub"),
        ({"checkpoint": {"url": "https://host/a.pth"}}, "a url needs sha256"),
        ({"checkpoint": {"path": "a", "sha256": "xyz"}}, "should match pattern"),
        ({"preprocess": {"crop": -1}}, "greater than 0"),
        ({"preprocess": {"interpolation": "cubic"}}, "'nearest', 'box', 'bilinear', 'bicubic' or 'lanczos'"),
        ({"preprocess": {"std": [0, 1, 1]}}, "greater than 0"),
        ({"metric": {"name": "top1", "value": 130, "source": "s"}}, "less than or equal to 100"),
        ({"mean": 1}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_entries_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelEntry.model_validate(TIMM | changes)


def test_detectors_take_no_preprocess() -> None:
    with pytest.raises(ValidationError, match="backend mmdet does not use the field 'preprocess'"):
        ModelEntry.model_validate(MMDET | {"preprocess": {"crop": 224}})


def test_an_entry_survives_json() -> None:
    entry = ModelEntry.model_validate(TIMM | {"checkpoint": {"path": "a.pth", "sha256": SHA.upper()}, "input_size": [224, 224]})
    assert ModelEntry.model_validate(json.loads(entry.model_dump_json())) == entry


def test_content_hash_ignores_provenance() -> None:
    entry = ModelEntry.model_validate(TIMM)
    provenance = {"name": "n", "metric": {"name": "top1", "value": 70, "source": "s"}, "license": "MIT", "paper": "listed"}
    assert entry_hash(ModelEntry.model_validate(TIMM | provenance)) == entry_hash(entry)
    assert len(entry_hash(entry)) == 64


@pytest.mark.parametrize(
    "changes",
    [
        {"arch": "resnet34"},
        {"arch_kwargs": {"num_classes": 10}},
        {"preprocess": {"crop": 200}},
        {"checkpoint": {"url": "https://host/a.pth", "sha256": "0" * 8}},
        {"backend": "torchvision"},
    ],
)
def test_content_hash_sees_what_changes_predictions(changes: dict) -> None:
    assert entry_hash(ModelEntry.model_validate(TIMM | changes)) != entry_hash(ModelEntry.model_validate(TIMM))


def test_content_hash_sees_the_task_and_the_config_options() -> None:
    prints = {
        entry_hash(ModelEntry.model_validate(MMDET | changes))
        for changes in ({}, {"task": "ins"}, {"cfg_options": {"model.test_cfg.score_thr": 0.1}})
    }
    assert len(prints) == 3


def test_content_hash_reads_the_checkpoint_where_its_hash_is_not_given(tmp_path: Path) -> None:
    prints = []
    for name, value in (("a.pth", 1.0), ("moved.pth", 1.0), ("b.pth", 2.0)):
        (tmp_path / name).write_bytes(str(value).encode())
        prints.append(entry_hash(ModelEntry.model_validate(TIMM | {"checkpoint": {"path": tmp_path / name}})))
    assert prints[0] == prints[1] != prints[2]


def test_content_hash_follows_a_config_of_the_users_and_what_it_inherits(tmp_path: Path) -> None:
    base, config = tmp_path / "base.py", tmp_path / "model.py"
    entry = ModelEntry.model_validate(MMDET | {"config": "model.py"})
    prints = []
    for stride, comment in ((8, ""), (8, "# a comment\n"), (16, "")):
        base.write_text(f"{comment}model = dict(type='YOLOX', stride={stride})\n")
        config.write_text("_base_ = 'base.py'\n")
        prints.append(entry_hash(entry.relative_to(tmp_path)))
    assert prints[0] == prints[1] != prints[2]


def test_content_hash_follows_the_source_of_a_python_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    entry = ModelEntry(name="m", task="cls", backend="python", target="target_of_hash_test:build")
    prints = []
    for source in ("a = 1\n", "a = 2\n"):
        (tmp_path / "target_of_hash_test.py").write_text(source)
        prints.append(entry_hash(entry))
    assert prints[0] != prints[1]


def test_relative_paths_are_taken_from_the_zoo_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    own = ModelEntry.model_validate(MMDET | {"config": "mine.py", "checkpoint": {"path": "../w.pth"}}).relative_to(tmp_path)
    assert own.config_file == tmp_path / "mine.py"
    assert own.checkpoint is not None and own.checkpoint.path == tmp_path.parent / "w.pth"
    shipped = ModelEntry.model_validate(MMDET).relative_to(tmp_path)
    assert shipped.config == MMDET["config"] and shipped.config_file is None
