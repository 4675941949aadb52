"""Masks in the run folder: 1 bit a pixel, read back only where they belong to what is there now."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from miqd_builder.config import RoiConfig
from miqd_builder.roi import roi_mask, spectral_residual, stored
from miqd_builder.roi.stored import decode_mask, encode_mask, mask_path, read_mask, source_mask
from miqd_builder.sources import SourceImage
from miqd_builder.store.folder import RunFolder
from tests.degradations.pictures import ellipse, scene

SOURCE = SourceImage("a", Path("a.png"))
SALIENCY = RoiConfig(kind="saliency")


@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (240, 321)])
def test_a_mask_comes_back_as_it_was(shape: tuple[int, int]) -> None:
    mask = np.where(np.random.default_rng(0).random(shape) > 0.5, 255, 0).astype(np.uint8)
    data = encode_mask(mask, "salient 1 abc")
    back, made_from = decode_mask(data)
    np.testing.assert_array_equal(back, mask)
    assert back.dtype == np.uint8 and made_from == "salient 1 abc"
    assert data == encode_mask(mask, "salient 1 abc")
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.mode == "1"


def test_a_stored_mask_saves_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, image = RunFolder(str(tmp_path)), scene(60, 80)
    first = source_mask(folder, SALIENCY, SOURCE, image)
    assert not (tmp_path / "roi").exists()
    np.testing.assert_array_equal(first, spectral_residual(image))
    source_mask(folder, SALIENCY, SOURCE, image, keep=True)
    assert [path.name for path in (tmp_path / "roi").iterdir()] == ["a.png"]
    with monkeypatch.context() as patch:
        patch.setattr(stored, "roi_mask", lambda *_: pytest.fail("computed again"))
        np.testing.assert_array_equal(source_mask(folder, SALIENCY, SOURCE, image), first)


def test_a_mask_of_other_pixels_or_another_method_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, image = RunFolder(str(tmp_path)), scene(60, 80)
    source_mask(folder, SALIENCY, SOURCE, image, keep=True)
    other = 255 - image
    other[:20] = 9
    np.testing.assert_array_equal(source_mask(folder, SALIENCY, SOURCE, other, keep=True), roi_mask(SALIENCY, SOURCE, other))
    assert read_mask(folder, "a", "something else") is None
    monkeypatch.setattr(stored, "roi_hash", lambda *_: "saliency 2")
    monkeypatch.setattr(stored, "roi_mask", lambda *_: ellipse(60, 80))
    np.testing.assert_array_equal(source_mask(folder, SALIENCY, SOURCE, other), ellipse(60, 80))


@pytest.mark.parametrize("damage", [lambda d: d[:-30], lambda d: b"", lambda d: b"no PNG", lambda d: d[:60] + b"\0" + d[61:]])
def test_a_damaged_mask_counts_as_none(tmp_path: Path, damage) -> None:
    folder, image = RunFolder(str(tmp_path)), scene(60, 80)
    mask = source_mask(folder, SALIENCY, SOURCE, image, keep=True)
    file = tmp_path / mask_path("a")
    file.write_bytes(damage(file.read_bytes()))
    np.testing.assert_array_equal(source_mask(folder, SALIENCY, SOURCE, image, keep=True), mask)
    np.testing.assert_array_equal(decode_mask(file.read_bytes())[0], mask)


def test_every_flipped_bit_is_noticed() -> None:
    """Decoders leave some checksums of a PNG alone: without them, damage would be another mask."""
    data = encode_mask(ellipse(40, 60), "saliency 1")
    for at in range(len(data)):
        for bit in range(8):
            flipped = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            with pytest.raises(ValueError, match="PNG"):
                decode_mask(flipped)
    with pytest.raises(ValueError, match="behind its end"):
        decode_mask(data + b"x")


def test_a_mask_of_8_bits_is_no_stored_mask() -> None:
    file = io.BytesIO()
    Image.fromarray(ellipse(9, 9)).save(file, "png")
    with pytest.raises(ValueError, match="mode L, expected 1 bit"):
        decode_mask(file.getvalue())
