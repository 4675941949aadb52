"""ROI masks from annotations, from files and by saliency."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from miqd_builder import registry
from miqd_builder.config import RoiConfig, SourceConfig
from miqd_builder.errors import ConfigError, UnreadableImageError
from miqd_builder.roi import check_roi, roi_hash, roi_mask, spectral_residual
from miqd_builder.roi.stored import encode_mask
from miqd_builder.sources import SourceImage, SourceSet, open_source
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
    before = roi_hash(config, source)
    Image.fromarray(255 - wanted).save(tmp_path / "scene_0_binary_mask.png")
    assert roi_hash(config, source) != before
    Image.fromarray(wanted[:10]).save(tmp_path / "scene_0_binary_mask.png")
    with pytest.raises(UnreadableImageError, match="is 64x10 pixels, its image 64x48"):
        roi_mask(config, source, source.read())


def test_the_stored_masks_of_another_run_are_mask_files(sources: SourceSet, tmp_path: Path) -> None:
    config = RoiConfig(kind="masks", path=tmp_path)
    wanted = np.zeros((48, 64), np.uint8)
    wanted[5:20, 7:30] = 255
    for source in sources.images:
        (tmp_path / f"{source.source_id}.png").write_bytes(encode_mask(wanted, "salient 1"))
    check_roi(config, sources)
    source = sources.images[0]
    np.testing.assert_array_equal(roi_mask(config, source, source.read()), wanted)


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


def test_max_pixels_counts_for_images_and_mask_files(data: DataSet, tmp_path: Path) -> None:
    fields = {"kind": "folder", "images": data.images}
    image = open_source(SourceConfig(**fields)).images[0].read()
    small = open_source(SourceConfig(**fields, max_pixels=48 * 64 - 1)).images[0]
    Image.fromarray(image).save(tmp_path / "scene_0_binary_mask.png")
    message = r"is 64x48 pixels, more than source\.max_pixels = 3071"
    with pytest.raises(UnreadableImageError, match=message):
        small.read()
    with pytest.raises(UnreadableImageError, match=message):
        roi_mask(RoiConfig(kind="masks", path=tmp_path), small, image)


def test_wrong_kinds_and_options_are_one_line(sources: SourceSet) -> None:
    with pytest.raises(ConfigError, match=r"Unknown ROI kind 'dyno': expected one of .* Did you mean 'dino'"):
        check_roi(RoiConfig(kind="dyno"), sources)
    with pytest.raises(ConfigError, match=r"roi\.options is for kinds of other packages: roi\.kind 'saliency' takes none"):
        check_roi(RoiConfig(kind="saliency", options={"size": 3}), sources)


class OtherKind:
    """An ROI kind of another package: returns what its options say."""

    def check(self, config: RoiConfig, sources: SourceSet) -> None:
        if not config.options:
            raise ConfigError("options are missing")

    def mask(self, config: RoiConfig, source: SourceImage, image: np.ndarray) -> np.ndarray:
        return config.options["mask"]

    def content_hash(self, config: RoiConfig, source: SourceImage) -> str:
        return config.options.get("content_hash", "1")


OTHER = OtherKind()
FULL = np.full((48, 64), 255, np.uint8)


@pytest.fixture
def _other_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_announced", lambda group: {"other": EntryPoint("other", f"{__name__}:OTHER", group)})


@pytest.mark.usefixtures("_other_package")
def test_a_kind_of_another_package(sources: SourceSet) -> None:
    with pytest.raises(ConfigError, match="options are missing"):
        check_roi(RoiConfig(kind="other"), sources)
    config, source = RoiConfig(kind="other", options={"mask": FULL}), sources.images[0]
    check_roi(config, sources)
    assert roi_mask(config, source, source.read()) is FULL
    assert roi_hash(config, source) == "other 1"
    with pytest.raises(ConfigError, match="ROI kind 'other' returned the content hash 3: expected a text"):
        roi_hash(RoiConfig(kind="other", options={"content_hash": 3}), source)


@pytest.mark.usefixtures("_other_package")
@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (None, "NoneType: expected a NumPy array"),
        (FULL.astype(bool), r"bool \(48, 64\): expected uint8 \(48, 64\)"),
        (FULL[:, :9], r"uint8 \(48, 9\): expected uint8 \(48, 64\)"),
        (FULL[..., None], r"uint8 \(48, 64, 1\): expected"),
        (FULL // 255, "the value 1: expected only 0"),
    ],
)
def test_a_mask_of_another_package_is_checked(sources: SourceSet, mask: object, message: str) -> None:
    source = sources.images[0]
    with pytest.raises(ConfigError, match=f"ROI kind 'other' returned for image 'scene_0' {message}"):
        roi_mask(RoiConfig(kind="other", options={"mask": mask}), source, source.read())
