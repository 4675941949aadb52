"""Sources whose images lie in subfolders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from miqd_builder.config import SourceConfig
from miqd_builder.errors import ConfigError
from miqd_builder.sources import open_source
from miqd_builder.sources.png import encode_png


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.zeros((4, 4, 3), np.uint8)))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.png", "x/a.png", "x/y/b.JPG", "x/.git/c.png", ".cache/d.png", "q?/e.png", "notes.txt"):
        save(tmp_path / "images" / name)
    return tmp_path / "images"


def test_subfolders_count_only_if_asked_for(tree: Path) -> None:
    flat = open_source(SourceConfig(kind="folder", images=tree))
    assert [image.source_id for image in flat.images] == ["a"] and not flat.refused
    deep = open_source(SourceConfig(kind="folder", images=tree, recursive=True))
    assert [(image.source_id, image.path.relative_to(tree).as_posix()) for image in deep.images] == [
        ("a", "a.png"),
        ("x__a", "x/a.png"),
        ("x__y__b", "x/y/b.JPG"),
    ]
    assert [file.name for file in deep.refused] == ["q?/e.png"]


def test_ids_of_subfolders_can_collide(tree: Path) -> None:
    save(tree / "x__a.png")
    sources = open_source(SourceConfig(kind="folder", images=tree, recursive=True))
    assert sources.by_id["x__a"].path == tree / "x/a.png"
    assert [file.name for file in sources.refused] == ["q?/e.png", "x__a.png"]


@pytest.mark.timeout(20)
def test_links_are_followed_and_loops_end(tree: Path, tmp_path: Path) -> None:
    save(tmp_path / "elsewhere/f.png")
    (tree / "link").symlink_to(tmp_path / "elsewhere")
    (tree / "x/up").symlink_to(tree)
    (tree / "x/self").symlink_to(tree / "x/self")
    (tmp_path / "elsewhere/back").symlink_to(tree / "x")
    (tree / "gone.png").symlink_to(tmp_path / "gone.png")
    sources = open_source(SourceConfig(kind="folder", images=tree, recursive=True))
    assert [image.source_id for image in sources.images] == ["a", "link__f", "x__a", "x__y__b"]


def test_coco_ids_with_subfolders(tree: Path, tmp_path: Path) -> None:
    entries = [{"id": n, "file_name": name} for n, name in enumerate(["x/y/b.JPG", "./a.png", "x/../x/a.png", ".cache/d.png"])]
    (tmp_path / "a.json").write_text(json.dumps({"images": entries, "annotations": [], "categories": []}))
    config = SourceConfig(kind="coco", images=tree, annotations=tmp_path / "a.json")
    flat, deep = open_source(config), open_source(config.model_copy(update={"recursive": True}))
    assert [image.source_id for image in flat.images] == ["a", "b"]
    assert [file.name for file in flat.refused] == ["x/a.png"]
    assert [image.source_id for image in deep.images] == ["a", "x__a", "x__y__b"]


def test_label_file_with_subfolders(tree: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    config = SourceConfig(kind="imagenet", images=tree, labels=labels, recursive=True)
    labels.write_text("file,label\nx/a.png,1\nb.JPG,2\na.png,3\n")
    known = {image.source_id: image.truth_for("cls") for image in open_source(config).images}
    assert {source_id: truth and truth.index for source_id, truth in known.items()} == {"a": 3, "x__a": 1, "x__y__b": 2}
    save(tree / "z/b.JPG")
    with pytest.raises(ConfigError, match=r"labels 'b\.JPG', which 2 subfolders hold: give the paths"):
        open_source(config)


def test_label_pngs_in_subfolders(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "maps/x/y").mkdir(parents=True)
    for name in ("x__a.png", "x/y/b.png", "._a.png"):
        Image.new("L", (4, 4)).save(tmp_path / "maps" / name)
    config = SourceConfig(kind="folder", images=tree, labels=tmp_path / "maps", recursive=True)
    assert [image.source_id for image in open_source(config).images if image.truth_for("seg")] == ["x__a", "x__y__b"]


def test_class_folders_with_one_file_name(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cow/1.png", "cow/2.png", ".ipynb_checkpoints/3.png"):
        save(tmp_path / name)
    sources = open_source(SourceConfig(kind="imagenet", images=tmp_path))
    known = {image.source_id: image.truth_for("cls") for image in sources.images}
    assert {source_id: truth and truth.index for source_id, truth in known.items()} == {"1": 0, "2": 1}
    assert [file.name for file in sources.refused] == ["cow/1.png"]


def test_best_of_each_class_in_subfolders(tree: Path, tmp_path: Path) -> None:
    shutil.rmtree(tree / "q?")
    (tmp_path / "labels.csv").write_text("file,label\na.png,1\nx/a.png,1\nb.JPG,2\n")
    (tmp_path / "q.csv").write_text("Image Name,Category,Quality Score\nx/y/b.JPG,a,1\nz.png,b,2\n")
    config = SourceConfig(kind="imagenet", images=tree, labels=tmp_path / "labels.csv", recursive=True)
    best = config.model_copy(update={"top_k_per_class": 1, "quality": tmp_path / "q.csv"})
    assert [image.source_id for image in open_source(best).images] == ["x__y__b"]
