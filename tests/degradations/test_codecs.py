"""The codec suite: names, sizes, order of its levels, and the identity-like control."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
import skimage.data
from PIL import Image

import degradations
from degradations.codecs import QUALITIES, RATE_FACTORS
from degradations.errors import DegradationError, UnknownDegradationError
from tests.degradations.pictures import scene

CODECS = ("jpeg", "webp", "avif", "jxl", "h264", "h265")


def photograph() -> np.ndarray:
    return np.ascontiguousarray(skimage.data.astronaut()[:150, 100:261])


def rendered(names: list[str], image: np.ndarray | None = None) -> list[degradations.Variant]:
    return list(degradations.render(scene(90, 121) if image is None else image, source_id="a", names=names))


def test_names_are_uniform_only_with_eight_levels() -> None:
    names = degradations.select(["codec_*"])
    assert names == sorted(f"codec_{codec}_{level}" for codec in CODECS for level in range(1, 9))
    assert len(degradations.names()) == 250 and degradations.parse("codec_avif_8").category == "codec"
    for wrong in ("codec_avif_9", "codec_avif_0", "codec_avif_fg_stronger_fg2_bg1", "fog_6", "identity_like_3"):
        with pytest.raises(UnknownDegradationError, match="Unknown degradation"):
            degradations.parse(wrong)


@pytest.mark.parametrize("codec", CODECS)
def test_levels_fall_in_bytes_and_quality(codec: str) -> None:
    variants = rendered([f"codec_{codec}_{level}" for level in range(1, 9)], photograph())
    sizes, psnrs = [v.bytes for v in variants], [v.psnr for v in variants]
    assert sizes == sorted(sizes, key=lambda size: -(size or 0)) and len(set(sizes)) == 8
    assert psnrs[0] > psnrs[4] > psnrs[7] and psnrs[0] > 20
    again = rendered([f"codec_{codec}_3"], photograph())[0]
    assert np.array_equal(again.pixels, variants[2].pixels) and again.bytes == variants[2].bytes


@pytest.mark.parametrize("codec", ["jpeg", "webp", "avif"])
def test_bytes_are_those_of_the_file(codec: str) -> None:
    image, file = scene(40, 57), io.BytesIO()
    Image.fromarray(image).save(file, codec.upper(), quality=QUALITIES[codec][2])
    found = rendered([f"codec_{codec}_3"], image)[0]
    assert found.bytes == len(file.getvalue())
    assert np.array_equal(found.pixels, np.asarray(Image.open(file).convert("RGB")))


@pytest.mark.parametrize("codec", CODECS)
def test_smallest_and_odd_images(codec: str) -> None:
    for height, width in ((1, 1), (17, 33), (64, 1)):
        variant = rendered([f"codec_{codec}_1"], scene(height, width))[0]
        assert variant.pixels.shape == (height, width, 3) and (variant.bytes or 0) > 10


def test_frames_count_no_messages() -> None:
    """The encoders' own description alone is hundreds of bytes."""
    grey = np.full((64, 64, 3), 128, np.uint8)
    for codec in ("h264", "h265"):
        assert (rendered([f"codec_{codec}_8"], grey)[0].bytes or 0) < 150
    assert len(RATE_FACTORS) == 8


def test_identity_like_changes_almost_nothing() -> None:
    image = photograph()
    jpeg, shifted = rendered(["identity_like_1", "identity_like_2"], image)
    assert jpeg.psnr > 40 and jpeg.bytes is None
    assert np.array_equal(shifted.pixels[:, 1:], image[:, :-1]) and np.array_equal(shifted.pixels[:, 0], image[:, 0])


def test_a_missing_plug_in_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(DegradationError, match="codec_jxl needs pillow-jxl-plugin: pip install pillow-jxl-plugin"):
        rendered(["codec_jxl_1"])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DegradationError, match="need PyAV: pip install av"):
        rendered(["codec_h265_1"])


def test_other_distortions_take_no_bytes() -> None:
    assert rendered(["darkness_1", "jpeg_compression_2"])[0].bytes is None
