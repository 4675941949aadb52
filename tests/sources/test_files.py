"""Which files of a source are images, what their ids are, and what files that can't be used cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miqd_builder.config import SourceConfig
from miqd_builder.errors import ConfigError
from miqd_builder.sources import SourceSet, open_source
from miqd_builder.sources.files import id_of, id_problem, printable
from miqd_builder.sources.png import encode_png
from tests.conftest import DataSet

UNUSABLE = ['quo"te.png', "new\nline.png", "tab\t.png", "a|b.png", "a<b>.png", "what?.png", "star*.png", "k=v.png", "c:d.png"]
UNUSABLE += ["back\\slash.png", "space .png", "dot..png", "\x7f.png", "\x85.png", "x" * 201 + ".png"]


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.zeros((4, 4, 3), np.uint8)))


def opened(data: DataSet, kind: str, **fields: Any) -> SourceSet:
    """Open the data set by its kind; what was added to the folder is added to the annotation file and the label file."""
    if kind == "coco":
        names = sorted(p.relative_to(data.images).as_posix() for p in data.images.rglob("*") if p.is_file())
        entries = [{"id": n, "file_name": name, "height": 4, "width": 4} for n, name in enumerate(names)]
        data.annotations.write_text(json.dumps({"images": entries, "annotations": [], "categories": []}))
        return open_source(SourceConfig(kind="coco", images=data.images, annotations=data.annotations, **fields))
    labels = data.labels if kind == "imagenet" else None
    return open_source(SourceConfig(kind=kind, images=data.images, labels=labels, **fields))


@pytest.fixture(params=["folder", "imagenet", "coco"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_hidden_files_are_no_images(data: DataSet, kind: str) -> None:
    for name in (".hidden.png", "._scene_0.png", ".thumbs/a.png"):
        save(data.images / name)
    for recursive in (False, True):
        sources = opened(data, kind, recursive=recursive)
        assert len(sources.images) == 4 and not sources.refused
        assert not any("left out" in note for note in sources.notes)


@pytest.mark.parametrize("name", UNUSABLE, ids=ascii)
def test_a_file_that_cannot_be_an_id_costs_itself(data: DataSet, kind: str, name: str) -> None:
    save(data.images / name)
    sources = opened(data, kind)
    assert [image.source_id for image in sources.images] == [f"scene_{i}" for i in range(4)]
    [refused] = sources.refused
    assert refused.name.isprintable() and "can't be used as an id: rename it" in refused.reason
    assert f"1 file is left out: '{refused.name}'. The first {refused.reason}." in sources.notes


def test_a_name_that_is_no_text_costs_itself(data: DataSet) -> None:
    path = data.images / "caf\udce9.png"
    try:
        save(path)
    except OSError:
        pytest.skip("this file system takes no such names")
    [refused] = opened(data, "folder").refused
    assert refused.name == "caf\\udce9.png"


def test_of_files_that_share_an_id_the_first_is_kept(data: DataSet, kind: str) -> None:
    for name in ("scene_0.webp", "scene_0.jpg", "scene_9.png"):
        save(data.images / name)
    sources = opened(data, kind)
    assert [image.path.name for image in sources.images] == ["scene_0.jpg", *(f"scene_{i}.png" for i in (1, 2, 3, 9))]
    assert [file.name for file in sources.refused] == ["scene_0.png", "scene_0.webp"]
    assert "has the id 'scene_0', as 'scene_0.jpg' has" in sources.refused[0].reason
    note = next(note for note in sources.notes if "left out" in note)
    assert note.startswith("2 files are left out: 'scene_0.png', 'scene_0.webp'. The first has the id 'scene_0'")


def test_a_long_list_is_cut(data: DataSet) -> None:
    for index in range(5):
        save(data.images / f"a?{index}.png")
    note = opened(data, "folder").notes[-1]
    assert note.startswith("5 files are left out: 'a?0.png', 'a?1.png', 'a?2.png' and 2 more. The first can't be used")


def test_nothing_left_is_an_error(data: DataSet, kind: str) -> None:
    for path in list(data.images.iterdir()):
        path.rename(path.with_name(f"{path.stem}?.png"))
    with pytest.raises(ConfigError, match=r"None of the images in .* The first, 'scene_0\?.png', can't be used as an id"):
        opened(data, kind)


def test_listed_files_outside_the_folder_are_refused(data: DataSet) -> None:
    save(data.folder / "secret.png")
    content = json.loads(data.annotations.read_text())
    names = ["../secret.png", str(data.folder / "secret.png"), "a/../../secret.png", "", ".", "a\0b.png"]
    content["images"] += [{"id": 10 + i, "file_name": name, "height": 4, "width": 4} for i, name in enumerate(names)]
    data.annotations.write_text(json.dumps(content))
    sources = open_source(SourceConfig(kind="coco", images=data.images, annotations=data.annotations))
    assert len(sources.images) == 4 and len(sources.refused) == 5
    assert all("is outside the image folder" in file.reason for file in sources.refused)
    note = "1 of 5 annotated images are not in the folder and are left out: 'a\\x00b.png'."
    assert note in sources.notes


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_an_accepted_id_can_name_a_folder(text: str) -> None:
    if id_problem(text) is None:
        assert text and Path(text).name == text and not text.endswith((" ", "."))
        assert len(text.encode()) <= 200


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_escaped_names_can_be_printed_and_stored(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable() and shown.encode("utf-8").decode() == shown


def test_ids_of_paths() -> None:
    assert [id_of(name) for name in ("a.b.jpg", "x/y.z/c.png")] == ["a.b", "x__y.z__c"]
