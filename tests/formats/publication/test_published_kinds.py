"""Source kind and ROI kind ``published``: images and masks that a published data set names and carries."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from miqd_builder.errors import ConfigError, UnreadableImageError
from miqd_builder.formats.huggingface.columns import SOURCES
from miqd_builder.roi import check_roi, roi_hash, roi_mask
from miqd_builder.roi.config import RoiConfig
from miqd_builder.roi.stored import encode_mask
from miqd_builder.sources import open_source
from miqd_builder.sources.config import SourceConfig
from tests.formats.publication.conftest import Small


def write_sources(folder: Path, masks: dict[str, np.ndarray | None], **changes: object) -> Path:
    """A table of sources of ``<id>.png`` with masks of 1 bit a pixel."""
    rows = [
        {
            "source_id": source_id,
            "file_name": f"{source_id}.png",
            "file_sha256": "0",
            "roi": None if mask is None else {"bytes": encode_mask(mask, ""), "path": "x.png"},
            **changes,
        }
        for source_id, mask in masks.items()
    ]
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, SOURCES), folder / "train-00000-of-00001.parquet")
    return folder


@pytest.fixture
def left() -> np.ndarray:
    """A mask of the left half."""
    mask = np.zeros((48, 64), np.uint8)
    mask[:, :32] = 255
    return mask


def test_masks_and_class_labels_come_from_the_table(small: Small, tmp_path: Path, left: np.ndarray) -> None:
    table = write_sources(tmp_path / "sources", {"scene_0": left, "scene_2": 255 - left}, class_index=7)
    sources = open_source(SourceConfig(kind="published", images=small.images, labels=table))
    assert [image.source_id for image in sources.images] == ["scene_0", "scene_2"], "no other image of the folder"
    label = sources.images[0].truth_for("cls")
    assert label is not None and label.index == 7
    config = RoiConfig(kind="published", path=table)
    check_roi(config, sources)
    for image, wanted in zip(sources.images, (left, 255 - left), strict=True):
        assert np.array_equal(roi_mask(config, image, image.read()), wanted)
    before = roi_hash(config, sources.images[0])
    assert before != roi_hash(config, sources.images[1])
    write_sources(table, {"scene_0": 255 - left, "scene_2": left})
    assert roi_hash(config, sources.images[0]) != before, "an edited table counts"


def test_what_a_table_lacks_is_named(small: Small, tmp_path: Path, left: np.ndarray) -> None:
    config = RoiConfig(kind="published", path=write_sources(tmp_path / "sources", {"scene_0": None, "scene_1": left[:40]}))
    sources = open_source(SourceConfig(kind="published", images=small.images, labels=config.path))
    with pytest.raises(ConfigError, match=r"1 masks are missing in .*, the first is that of 'scene_0'"):
        check_roi(config, sources)
    with pytest.raises(UnreadableImageError, match="The published mask of 'scene_1' is 64x40 pixels, its image 64x48"):
        roi_mask(config, sources.images[1], sources.images[1].read())
    with pytest.raises(UnreadableImageError, match="'scene_0' can't be read"):
        roi_mask(config, sources.images[0], sources.images[0].read())
    with pytest.raises(ConfigError, match=r"roi\.path is 'None'"):
        roi_hash(RoiConfig(kind="published"), sources.images[0])
    with pytest.raises(ConfigError, match="holds no table of sources"):
        open_source(SourceConfig(kind="published", images=small.images, labels=small.images))
    (tmp_path / "sources/train-00000-of-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match="can't be read"):
        open_source(SourceConfig(kind="published", images=small.images, labels=tmp_path / "sources"))


def test_names_decide_which_file_it_is(small: Small, tmp_path: Path, left: np.ndarray) -> None:
    photos = tmp_path / "photos"
    for place in ("a", "b"):
        (photos / place).mkdir(parents=True)
        shutil.copy(small.images / "scene_0.png", photos / place / "0.png")
    shutil.copy(small.images / "scene_1.png", photos / "scene_1.png")
    table = write_sources(tmp_path / "sources", {"b__0": left, "scene_1": left})
    rows = pq.read_table(table / "train-00000-of-00001.parquet").to_pylist()
    rows[0]["file_name"] = "0.png"
    pq.write_table(pa.Table.from_pylist(rows, SOURCES), table / "train-00000-of-00001.parquet")
    config = SourceConfig(kind="published", images=photos, labels=table)
    assert [str(i.path.relative_to(photos)) for i in open_source(config).images] == ["b/0.png", "scene_1.png"]
    rows[0]["source_id"] = "c__0"
    pq.write_table(pa.Table.from_pylist(rows, SOURCES), table / "train-00000-of-00001.parquet")
    with pytest.raises(ConfigError, match=r"lacks 1 of the 2 images .*0\.png.* or has several of that name"):
        open_source(config)
    rows[0]["source_id"] = "../../0"
    pq.write_table(pa.Table.from_pylist(rows, SOURCES), table / "train-00000-of-00001.parquet")
    with pytest.raises(ConfigError, match="is not of a published data set"):
        open_source(config)
