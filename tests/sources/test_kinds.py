"""Kinds of sources: their settings, the tasks that they serve, and kinds of other packages."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from miqd_builder import registry
from miqd_builder.config import SourceConfig
from miqd_builder.errors import ConfigError
from miqd_builder.sources import SourceImage, SourceKind, SourceSet, check_serves, open_source
from miqd_builder.tasks import Task
from tests.conftest import DataSet


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"kind": "foldr"},
            "Unknown source kind 'foldr': expected one of imagenet, coco, folder, published. Did you mean 'folder'",
        ),
        ({"kind": "folder", "options": {"a": 1}}, r"source\.options is for kinds of other packages: source\.kind 'folder'"),
        ({"kind": "coco", "category_ids": [1]}, "use it with source.kind folder"),
        ({"kind": "imagenet", "recursive": True}, r"source\.recursive needs source\.labels"),
    ],
)
def test_wrong_settings_are_one_line(data: DataSet, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        open_source(SourceConfig(images=data.images, **fields))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "task", "remedy"),
    [
        ("imagenet", "det", "use source.kind coco or folder"),
        ("imagenet", "seg", "use source.kind folder"),
        ("coco", "seg", "use source.kind folder"),
        ("coco", "cls", None),
        ("folder", "seg", None),
    ],
)
def test_tasks_that_a_source_serves(tmp_path: Path, kind: str, task: Task, remedy: str | None) -> None:
    config = SourceConfig(kind=kind, images=tmp_path)
    if remedy is None:
        check_serves(config, task)
        return
    with pytest.raises(ConfigError, match=f"Task '{task}' has no ground truth in source.kind {kind}: {remedy}"):
        check_serves(config, task)


def other_kind(images: tuple[SourceImage, ...]) -> SourceKind:
    return SourceKind(lambda config: SourceSet(images) if config.options["good"] else list(images))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("ids", "good", "message"),
    [
        (["a", "b"], True, None),
        (["a"], False, "Source kind 'elsewhere' returned list: expected a SourceSet"),
        ([], True, "found no image"),
        (["a", "a"], True, "'a' is the id of two images"),
        (["a/b"], True, "'a/b' can't be used as an id"),
        (["b", "a"], True, "aren't sorted"),
    ],
)
def test_kinds_of_other_packages(
    ids: list[str], good: bool, message: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(registry, "_announced", lambda group: {"elsewhere": EntryPoint("elsewhere", f"{__name__}:KIND", group)})
    monkeypatch.setattr(sys.modules[__name__], "KIND", other_kind(tuple(SourceImage(i, tmp_path) for i in ids)), raising=False)
    config = SourceConfig(kind="elsewhere", images=tmp_path, options={"good": good})
    if message is None:
        assert [image.source_id for image in open_source(config).images] == ids
        return
    with pytest.raises(ConfigError, match=message):
        open_source(config)
