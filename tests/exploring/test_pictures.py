"""What is seen in the page is what was labelled: joined pictures, outlines, the sample of sources."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import miqd_builder as mb
from miqd_builder.exploring.outlines import outlines
from miqd_builder.exploring.pictures import thumbnail_size
from miqd_builder.exploring.sample import sampled
from miqd_builder.responses import encode_masks
from tests.exploring.conftest import Explored
from tests.exploring.reading import Page


def test_two_joined_pictures_are_the_degraded_image(explored: Explored) -> None:
    """As the browser joins them: the ROI's picture over the background's, by the opacity of the mask."""
    read, run = Page(explored.objects), mb.open_run(explored.folder / "out")
    pairs, differences = [("4", "1"), ("1", "5"), ("5", "2")], dict.fromkeys(("joined", "alone"), 0.0)
    for source_id in read.facts["sources"][:3]:
        pictures = read.pictures(source_id)
        opacity = pictures["mask"][..., 3:] / 255
        assert opacity.min() == 0 and opacity.max() > 0.9
        for roi, bg in pairs:
            joined = pictures[f"darkness_{roi}"] * opacity + pictures[f"darkness_{bg}"] * (1 - opacity)
            side = "fg" if roi > bg else "bg"
            real = run.image(source_id, f"darkness_{side}_stronger_fg{roi}_bg{bg}")
            differences["joined"] += float(np.abs(joined - real).mean())
            alone = pictures[f"darkness_{roi}"] - run.image(source_id, f"darkness_{roi}").astype(float)
            differences["alone"] += float(np.abs(alone).mean())
    assert differences["joined"] < 1.2 * differences["alone"], "no more than what compression costs a picture that isn't joined"
    assert differences["alone"] / 9 < 4, "of 255 grey levels"


def test_pictures_are_thumbnails_of_the_run(explored: Explored) -> None:
    read, run = Page(explored.classes), mb.open_run(explored.folder / "out-cls")
    source_id = read.facts["sources"][read.facts["pictured"][0]["source"]]
    pictures = read.pictures(source_id)
    uniform = [name for name in read.names if "stronger" not in name]
    assert set(pictures) == {"original", "mask", *uniform}
    for name in ("original", "darkness_5"):
        assert np.abs(pictures[name].astype(int) - run.image(source_id, name)).mean() < 5
    assert read.pictured(source_id)["size"] == read.pictured(source_id)["thumbnail"] == [96, 128]


def test_a_pair_without_its_uniform_degradations_is_kept_itself(explored: Explored, tmp_path: Path) -> None:
    name = "darkness_bg_stronger_fg1_bg3"
    out = tmp_path / "out"
    mb.label(task="det", run=explored.folder / "run.yaml", out=out, degradations=[name, "darkness_1"], models="blobs", limit=1)
    read = Page(mb.explore(out).page)
    assert set(read.pictures("scene_0")) == {"original", "darkness_1", name, "mask"}


def test_thumbnail_sizes() -> None:
    assert thumbnail_size(480, 640) == (288, 384)
    assert thumbnail_size(2000, 3) == (384, 1)
    assert thumbnail_size(96, 128) == (96, 128)


@pytest.mark.parametrize("size", [(300, 200), (900, 700)])
def test_outlines_filled_are_the_mask(size: tuple[int, int]) -> None:
    """A ring and two separate blobs; even-odd filling keeps the hole."""
    mask = np.zeros(size, np.uint8)
    cv2.circle(mask, (size[1] // 2, size[0] // 3), size[1] // 4, 1, -1)
    cv2.circle(mask, (size[1] // 2, size[0] // 3), size[1] // 9, 0, -1)
    cv2.rectangle(mask, (10, size[0] - 60), (60, size[0] - 20), 1, -1)
    [rings] = outlines(encode_masks(mask[None].astype(bool)), *size)
    assert len(rings) == 3
    height, width = thumbnail_size(*size)
    filled = np.zeros((height, width), np.uint8)
    cv2.fillPoly(filled, rings, 1)  # even-odd
    wanted = cv2.resize(mask * 255, (width, height), interpolation=cv2.INTER_AREA) > 127
    assert (filled.astype(bool) & wanted).sum() / (filled.astype(bool) | wanted).sum() > 0.97


def test_outlines_in_the_page_are_the_masks(explored: Explored) -> None:
    read = Page(explored.objects)
    arrays = read.arrays(read.pictured("scene_0")["tasks"]["ins"]["models"])
    rows = mb.open_run(explored.folder / "out").responses("ins", model="blob_masks").to_pylist()
    row = next(row for row in rows if (row["source_id"], row["degradation"]) == ("scene_0", read.names[0]))
    assert arrays["0/rings"][: len(row["masks"])].tolist() == [1] * len(row["masks"]), "blobs without holes"
    point = 0
    for place, box in enumerate(row["boxes"]):
        length = int(arrays["0/lengths"][place])
        xy = np.cumsum(arrays["0/steps"][point : point + length].astype(int), axis=0)
        assert [*xy.min(axis=0), *(xy.max(axis=0) + 1)] == box
        point += length


def test_the_sample_depends_on_the_seed_alone() -> None:
    ids = [f"image_{number}" for number in range(50)]
    assert sampled(ids, 0) == sampled(ids[::-1], 0) != sampled(ids, 1)
    assert [name for name in sampled(ids, 0) if name in ids[:20]] == sampled(ids[:20], 0)
