"""ROI masks from annotations, from files and by saliency."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from miqd_builder.config import RoiConfig, SourceConfig
from miqd_builder.errors import ConfigError, UnreadableImageError
from miqd_builder.roi import check_roi, roi_fingerprint, roi_mask, spectral_residual
from miqd_builder.sources import SourceSet, open_source
from tests.conftest import DataSet


@pytest.fixture
def sources(data: DataSet) -> SourceSet:
    return open_source(SourceConfig(kind="coco", images=data.images, annotations=data.annotations))


def test_annotations_cover_the_objects(sources: SourceSet) -> None:
    source = sources.images[0]
    image = source.read()
    mask = roi_mask(RoiConfig(kind="annotations"), source, image)
    coloured = image.max(axis=2) > 200
    np.testing.assert_array_equal(mask == 255, coloured)
    bare = sources.images[3]
    assert not roi_mask(RoiConfig(kind="annotations"), bare, bare.read()).any()


def test_mask_files(sources: SourceSet, tmp_path: Path) -> None:
    config = RoiConfig(kind="masks", path=tmp_path)
    source = sources.images[0]
    with pytest.raises(ConfigError, match=r"4 masks are missing .* 'scene_0_binary_mask\.png'"):
        check_roi(config, sources)
    wanted = np.zeros((48, 64), np.uint8)
    wanted[5:20, 7:30] = 255
    Image.fromarray(wanted).save(tmp_path / "scene_0_binary_mask.png")
    np.testing.assert_array_equal(roi_mask(config, source, source.read()), wanted)
    before = roi_fingerprint(config, source)
    Image.fromarray(255 - wanted).save(tmp_path / "scene_0_binary_mask.png")
    assert roi_fingerprint(config, source) != before
    Image.fromarray(wanted[:10]).save(tmp_path / "scene_0_binary_mask.png")
    with pytest.raises(UnreadableImageError, match="is 64x10 pixels, its image 64x48"):
        roi_mask(config, source, source.read())


def test_saliency_finds_what_stands_out() -> None:
    rng = np.random.default_rng(0)
    image = np.full((120, 160, 3), 120, np.uint8) + rng.integers(0, 8, (120, 160, 1), dtype=np.uint8)
    image[40:70, 90:130] = (240, 200, 30)
    mask = spectral_residual(image)
    assert set(np.unique(mask)) == {0, 255}
    inside = np.zeros(mask.shape, bool)
    inside[30:80, 80:140] = True
    assert (mask[inside] == 255).mean() > 0.3
    assert (mask[~inside] == 255).mean() < 0.05


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 3), (300, 2, 3), (64, 64, 3)])
def test_saliency_takes_any_size(shape: tuple[int, int, int]) -> None:
    assert spectral_residual(np.zeros(shape, np.uint8)).shape == shape[:2]
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert set(np.unique(spectral_residual(noise))) <= {0, 255}


def test_annotations_need_a_source_with_annotations(data: DataSet) -> None:
    bare = open_source(SourceConfig(kind="folder", images=data.images))
    with pytest.raises(ConfigError, match="needs a source with annotations"):
        check_roi(RoiConfig(kind="annotations"), bare)
